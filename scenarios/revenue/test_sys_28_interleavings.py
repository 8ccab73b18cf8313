"""SYS-28: webhooks of one payment are handled at the same time, in every order of the statements."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest

from overbooked.scenario import (
    Explore,
    Race,
    Ran,
    System,
    Unheard,
    gap,
    never_backwards,
    pays_unheard,
    states_fit_amounts,
    told_once,
)

# How it was paid (of a card the service knows from its own calls, of a bank transfer from webhooks
# alone), and what is delivered at once, as places in the order in which it happened.
_TOLD = {
    "the payment twice": ("bank", (0, 0)),
    "the refund twice": ("card", (-1, -1)),
    "payment and refund": ("bank", (0, -1)),
    "late payment and refund": ("card", (0, -1)),
    "payment twice and refund": ("bank", (0, 0, -1)),
}
_REFUND = 900
# To buy takes longer than to be told of it: payments are made so many at a time.
_AHEAD = 6


@gap("SYS-28.c")
@pytest.mark.parametrize(("method", "told"), _TOLD.values(), ids=list(_TOLD))
async def test_deliveries_at_once_take_effect_once_in_every_order(
    system: System, explore: Explore, method: str, told: Sequence[int]
) -> None:
    (ana,) = await system.customers(1)
    await system.hold_deliveries()
    payments: list[Unheard] = []

    async def delivered() -> Race:
        if not payments:
            paying = (pays_unheard(system, ana, method=method, refunds=(_REFUND,)) for _ in range(_AHEAD))
            payments.extend(await asyncio.gather(*paying))
        payment = payments.pop()
        deliveries = [system.deliver(payment.events[place]) for place in told]
        return Race(
            [replace(one, who=f"delivery {n}") for n, one in enumerate(deliveries, start=1)],
            always=[each_took_effect_once],
            facts={"payment": payment, "before": await payment.state()},
        )

    async def each_took_effect_once(ran: Ran) -> None:
        payment: Unheard = ran.facts["payment"]
        after = await payment.state()
        never_backwards([ran.facts["before"], after])
        states_fit_amounts(after)
        heard = await payment.state() if await payment.heard() else after
        never_backwards([after, heard])
        told_once(heard)

    await explore.interleavings(delivered)
