"""SYS-28: webhooks come again, late, out of order and all at once; each takes effect exactly once."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence

import pytest
from hypothesis import strategies as st

from overbooked.scenario import (
    Budget,
    Delivery,
    DurableState,
    Faults,
    Judge,
    Onlooker,
    Played,
    ProviderEvent,
    Races,
    Round,
    System,
    Unheard,
    deliveries,
    eventually,
    gap,
    never_backwards,
    nothing_changed,
    pays_unheard,
    properties,
    states_fit_amounts,
    told_once,
)

# Of a card payment the service hears again what it knows; of a bank transfer it hears nothing before.
METHODS = ("card", "bank")
# Made at the provider, of a price of 2500: part of it, parts of it, all of it at once and in parts.
REFUNDS = ((400, 700), (900,), (2500,), (1300, 1200))
# A card payment with two refunds has so many events, and no payment here has more.
_EVENTS = 4
_DAY_S = 86_400
# How often one round showed the hardest of this gap's mutants, on the reference system.
_SEEN_IN_ONE_ROUND = 0.5
# A failing sequence is short to begin with.
_SHRINK_S = 3.0


@gap("SYS-28.a")
@pytest.mark.parametrize("method", METHODS)
async def test_no_sequence_of_deliveries_makes_a_difference(
    system: System, judge: Judge, budget: Budget, seed: int, method: str
) -> None:
    (ana,) = await system.customers(1)
    await system.hold_deliveries()

    async def is_told(example: tuple[Sequence[int], Sequence[Delivery]]) -> None:
        refunds, sequence = example
        await system.log_in(ana)  # days have gone by
        payment = await pays_unheard(system, ana, method=method, refunds=refunds)
        was = await payment.state()
        for delivery in sequence:
            if delivery.after_days:
                await system.advance(delivery.after_days * _DAY_S)
            await system.redeliver(payment.events[delivery.event % len(payment.events)])
            now = await payment.state()
            never_backwards([was, now])
            states_fit_amounts(now)
            was = now
            judge.count("deliveries")
        await payment.heard()
        told = await eventually(payment.state, told_once)
        never_backwards([was, told])
        for event in payment.events:
            await system.redeliver(event)
        nothing_changed(told, await payment.state())

    sequences = deliveries(events=_EVENTS, lossless=False)
    await properties.check(
        st.tuples(st.sampled_from(REFUNDS), sequences),
        is_told,
        examples=budget.examples,
        seed=seed,
        judge=judge,
        shrink_s=_SHRINK_S,
    )


@gap("SYS-28.b")
async def test_deliveries_in_bursts_make_no_difference(
    system: System, races: Races, faults: Faults, judge: Judge, budget: Budget
) -> None:
    (ana,) = await system.customers(1)
    await system.hold_deliveries()

    async def several_at_once(number: int) -> Round:
        refunds = REFUNDS[number // 4 % len(REFUNDS)]
        payments = await asyncio.gather(
            *(pays_unheard(system, ana, method=method, refunds=refunds) for method in METHODS)
        )
        size = budget.bursts[number % len(budget.bursts)]
        told = in_round(number, payments, max(2, size // len(payments)), system.rng)
        onlooker.begin(lambda: state_of(system, payments))
        return Round(actions=[system.deliver(event) for event in told], facts={"payments": payments})

    async def each_took_effect_once(played: Played) -> None:
        payments, seen = played.facts["payments"], await onlooker.end()
        judge.count("looks", len(seen))
        never_backwards(seen)
        for state in seen:
            states_fit_amounts(state)
        for payment in payments:
            await payment.heard()
        after = await eventually(lambda: state_of(system, payments), told_once)
        never_backwards([seen[-1], after])

    # The window between look and leap is as wide as a statement takes: make statements slow.
    async with (
        Onlooker[DurableState]() as onlooker,
        faults.widened("app->postgres", ms=2, jitter_ms=2),
    ):
        await races.rounds(budget.rounds, several_at_once, each_took_effect_once, detects=_SEEN_IN_ONE_ROUND)


def in_round(
    number: int, payments: Sequence[Unheard], copies: int, rng: random.Random
) -> list[ProviderEvent]:
    """What is delivered at once: `copies` deliveries of each payment's events.

    In one round of four it is the oldest event of the first payment and the newest of the next, in
    one the other way round, and in the other two any of them.
    """
    told = []
    for turn, payment in enumerate(payments):
        if number % 2:
            events = rng.sample(payment.events, min(copies, len(payment.events)))
        else:
            events = [payment.events[0 if (number // 2 + turn) % 2 == 0 else -1]]
        told += [events[n % len(events)] for n in range(copies)]
    return told


async def state_of(system: System, payments: Sequence[Unheard]) -> DurableState:
    return await system.state(checkouts=[payment.checkout for payment in payments])
