"""HARD-03: refunds are sent while further refunds are written; every refund is sent."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from overbooked.scenario import (
    Actor,
    Answer,
    Customer,
    Explorer,
    Judge,
    Races,
    Slot,
    System,
    TargetError,
    buy,
    gap,
    money_matches_bookings,
)

_JOB = "send_outbox"
# A purchase takes longer than a cancellation, so the places of this many races are bought at a time.
_AHEAD = 8
# Two slots, each with a booking.
Bought = tuple[Slot, str, Slot, str]


async def cancelled(system: System, judge: Judge, people: Sequence[Customer]) -> Races:
    """One customer cancels while another cancels and then the outbox is sent."""

    async def cancel_and_send(replica: int) -> Answer:
        answer = await system.do(ben.cancels(other), replica=replica)
        await system.jobs.run(_JOB)
        return answer

    ana, ben = people
    bought: list[Bought] = []
    while True:
        if not bought:
            await asyncio.gather(*map(system.sessions.log_in, people))  # their access tokens may have expired
            bought.extend(await asyncio.gather(*(_two_places(system, people) for _ in range(_AHEAD))))
            await system.jobs.run(_JOB)  # send the messages of these purchases
        first, one, second, other = bought.pop()
        yield [ana.cancels(one), Actor("ben, then outbox", "cancel, then send", cancel_and_send)]
        with judge("HARD-03.a"):
            await system.jobs.run(_JOB)
            money_matches_bookings(await system.state(slots=[first, second]))


async def _two_places(system: System, people: Sequence[Customer]) -> Bought:
    slots = await asyncio.gather(system.open_slot(), system.open_slot())
    purchases = await asyncio.gather(*(buy(system, *one) for one in zip(people, slots, strict=True)))
    one, other = (purchase.booking for purchase in purchases)
    if one is None or other is None:
        raise TargetError(f"two places had to be bought: {purchases}")
    return slots[0], one, slots[1], other


@gap("HARD-03.a")
@pytest.mark.usefixtures("held_deliveries")  # deliveries are not actors of this race
async def test_every_refund_is_sent_in_every_order(system: System, explorer: Explorer, judge: Judge) -> None:
    await system.jobs.recover()  # earlier work is not part of this race
    await explorer.explore(cancelled, system, judge, await system.customers(2), preemptions=1)
