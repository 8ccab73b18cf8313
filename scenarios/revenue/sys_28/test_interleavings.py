"""SYS-28: webhooks of one payment are handled concurrently, in every order of the statements."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest

from overbooked.scenario import (
    Actor,
    Customer,
    Explorer,
    Judge,
    PaymentStory,
    Races,
    System,
    UndeliveredPayment,
    gap,
    never_backwards,
    recorded_once,
    states_fit_amounts,
    stories,
    tell,
)

# The payment, the events that are delivered at once, as indexes in order of occurrence, and the replicas that
# receive them: events may meet in one process, and in two. The service learns of a card payment from its own
# calls, unless it was interrupted, and of a bank transfer from webhooks only.
# The refund that is told twice is a part of the price: all of it cannot be refunded twice anyway.
DELIVERED = {
    "the payment twice": ("bank", (0, 0), (0, 1)),
    "the payment twice at one replica": ("bank", (0, 0), (0, 0)),
    "the refund twice": ("card, refunded twice alike", (-1, -1), (0, 1)),
    "the failure twice": ("bank, failed", (0, 0), (0, 1)),
    "two refunds of everything at one replica": ("card, refunded in two parts", (-2, -1), (0, 0)),
    "payment and refund": ("bank, refunded", (0, -1), (0, 1)),
    "authorisation and capture": ("card, interrupted", (0, 1), (0, 1)),
    "late authorisation and refund at one replica": ("card, refunded", (0, -1), (0, 0)),
}
# A purchase takes longer than a delivery, so this many payments are made at a time.
AHEAD = 6


async def delivered(
    system: System,
    judge: Judge,
    ana: Customer,
    story: PaymentStory,
    places: Sequence[int],
    replicas: Sequence[int],
) -> Races:
    """The provider delivers these events of one payment at once."""
    payments: list[UndeliveredPayment] = []
    while True:
        if not payments:
            payments.extend(await asyncio.gather(*(tell(system, ana, story) for _ in range(AHEAD))))
        payment = payments.pop()
        before = await payment.state()
        events = [payment.events[place] for place in places]
        deliveries = [system.webhooks.deliver(event) for event in events]
        ran = yield [
            Actor(f"delivery {n}", one.verb, replace(one, who=f"delivery {n}"), replica=replica)
            for n, (one, replica) in enumerate(zip(deliveries, replicas, strict=True), start=1)
        ]
        after = await payment.state()
        told = {event.id for event, answer in zip(events, ran.answers, strict=True) if answer.ok}
        with judge("SYS-28.c"):
            never_backwards([before, after])
            states_fit_amounts(after)
            heard = await payment.state() if await payment.deliver_all(besides=told) else after
            never_backwards([after, heard])
            recorded_once(heard)


@gap("SYS-28.c")
@pytest.mark.parametrize(("story", "places", "replicas"), DELIVERED.values(), ids=list(DELIVERED))
@pytest.mark.usefixtures("held_deliveries")
async def test_deliveries_at_once_take_effect_once_in_every_order(
    system: System,
    explorer: Explorer,
    judge: Judge,
    ana: Customer,
    story: str,
    places: Sequence[int],
    replicas: Sequence[int],
) -> None:
    (told,) = (known for known in stories(system) if known.name == story)
    await explorer.explore(delivered, system, judge, ana, told, places, replicas)
