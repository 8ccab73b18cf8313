"""SYS-28: webhooks that are repeated, late, out of order or concurrent take effect exactly once."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from functools import partial
from itertools import pairwise

import pytest
from hypothesis import strategies as st

from overbooked.scenario import (
    Budget,
    Bursts,
    Customer,
    Delivery,
    DurableState,
    Judge,
    Onlooker,
    PaymentStory,
    ProviderEvent,
    Races,
    System,
    UndeliveredPayment,
    accepted,
    deliveries,
    eventually,
    gap,
    never_backwards,
    nothing_changed,
    properties,
    recorded_once,
    state_of,
    states_fit_amounts,
    stories,
    tell,
    tell_all,
)

# The webhooks of a card payment repeat what the service knows from its own calls; a bank transfer is
# reported by webhooks only.
METHODS = ("card", "bank")
# Days since an event at which it is first delivered, and at which a further copy comes.
FIRST_DAYS = (0.04, 1.1, 3.5, 8.0, 33.0)
COPY_DAYS = (*FIRST_DAYS, 100.0)
# The largest pause between two deliveries of a drawn sequence, and the number of events of the largest story.
_MOST_DAYS, _EVENTS = 12, 4
_REPLICAS = 2
_DAY_S = 86_400
# The measured probability that one round finds the hardest mutant of this gap in the reference system.
DETECTS = 0.5
# Seconds; short, because a failing sequence is short already.
_SHRINK_S = 3.0


@gap("SYS-28.a")
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.usefixtures("held_deliveries")
async def test_no_sequence_of_deliveries_makes_a_difference(
    system: System, ana: Customer, judge: Judge, budget: Budget, seed: int, method: str
) -> None:
    known = [story for story in stories(system) if story.method.endswith(method)]
    await come_at_every_age(system, ana, judge, known)

    async def is_told(example: tuple[PaymentStory, Sequence[Delivery]]) -> None:
        story, sequence = example
        await system.sessions.log_in(ana)  # the previous example may have moved the clock by days
        payment = await tell(system, ana, story)
        was = await payment.state()
        acknowledged: set[str] = set()
        for n, delivery in enumerate(sequence):
            if delivery.after_days:
                await system.clock.advance(delivery.after_days * _DAY_S)
            event = payment.events[delivery.event % len(payment.events)]
            if (await system.do(system.webhooks.deliver(event), replica=n)).ok:
                acknowledged.add(event.id)
            now = await payment.state()
            never_backwards([was, now])
            states_fit_amounts(now)
            was = now
            judge.count("deliveries")
        await payment.deliver_all(besides=acknowledged)
        told = await eventually(payment.state, recorded_once)
        never_backwards([was, told])
        for event in payment.events:
            await system.webhooks.redeliver(event)
        nothing_changed(told, await payment.state())

    sequences = deliveries(events=_EVENTS, lossless=False, most_days=_MOST_DAYS)
    await properties.check(
        st.tuples(st.sampled_from(known), sequences),
        is_told,
        examples=budget.examples,
        seed=seed,
        judge=judge,
        shrink_s=_SHRINK_S,
    )


async def come_at_every_age(
    system: System, ana: Customer, judge: Judge, known: Sequence[PaymentStory]
) -> None:
    """Deliver copies of processed events at each age, and other events for the first time at each age."""
    soon, late = await tell_all(system, ana, known), await tell_all(system, ana, known)
    for payment in soon:
        await payment.deliver_all()
    was = await eventually(partial(state_of, soon), recorded_once)
    told: list[UndeliveredPayment] = []
    for n, (before, day) in enumerate(pairwise((0.0, *COPY_DAYS))):
        await system.clock.advance((day - before) * _DAY_S)
        await asyncio.gather(*(repeat(payment, judge) for payment in (*soon, *told)))
        nothing_changed(was, await state_of([*soon, *told]))
        if day not in FIRST_DAYS:
            continue
        news = [payment for turn, payment in enumerate(late) if turn % len(FIRST_DAYS) == n]
        for payment in news:
            for event in reversed(payment.events):
                await system.webhooks.redeliver(event)
                judge.count("first deliveries after days")
            await payment.deliver_all()
        told += news
        was = await eventually(partial(state_of, [*soon, *told]), recorded_once)


async def repeat(payment: UndeliveredPayment, judge: Judge) -> None:
    """Deliver every event of a payment once more to each replica, newly signed."""
    for replica in range(_REPLICAS):
        for event in payment.events:
            accepted(
                await payment.system.do(payment.system.webhooks.deliver(event), replica=replica),
                "a copy of a processed event is not acknowledged",
            )
            judge.count("copies after days")


@gap("SYS-28.b")
@pytest.mark.usefixtures("held_deliveries", "slow_statements")
async def test_deliveries_in_bursts_make_no_difference(
    system: System, bursts: Bursts, judge: Judge, ana: Customer, budget: Budget, seed: int
) -> None:
    known = stories(system)
    apart = len(known) // 2
    judge.note("payments", [story.name for story in known])
    for number in range(budget.rounds):
        size = budget.bursts[number % len(budget.bursts)]
        # Each round has a card and a bank payment, and in turn every story.
        pair = (known[(seed + number) % len(known)], known[(seed + number + apart) % len(known)])
        await bursts.play(delivered, system, judge, ana, number, pair, size, rounds=1, detects=DETECTS)


async def delivered(
    system: System, judge: Judge, ana: Customer, number: int, pair: Sequence[PaymentStory], size: int
) -> Races:
    """The provider delivers events of two payments at once, some of them several times."""
    while True:
        payments = await tell_all(system, ana, pair)
        events = in_round(number, payments, max(2, size // len(payments)), system.rng)
        look = partial(state_of, payments)
        async with Onlooker[DurableState]() as onlooker:
            onlooker.begin(look)
            ran = yield [system.webhooks.deliver(event) for event in events]
            seen = await onlooker.end()
        told = {event.id for event, answer in zip(events, ran.answers, strict=True) if answer.ok}
        judge.count("looks", len(seen))
        with judge("SYS-28.b"):
            never_backwards(seen)
            for state in seen:
                states_fit_amounts(state)
            for payment in payments:
                await payment.deliver_all(besides=told)
            after = await eventually(look, recorded_once)
            never_backwards([seen[-1], after])


def in_round(
    number: int, payments: Sequence[UndeliveredPayment], copies: int, rng: random.Random
) -> list[ProviderEvent]:
    """Return the events to deliver at once: `copies` deliveries of each payment's events.

    Of four successive rounds, one delivers the oldest event of the first payment and the newest of the
    second, one the opposite, and two a random selection.
    """
    told = []
    for turn, payment in enumerate(payments):
        if number % 2:
            events = rng.sample(payment.events, min(copies, len(payment.events)))
        else:
            events = [payment.events[0 if (number // 2 + turn) % 2 == 0 else -1]]
        told += [events[n % len(events)] for n in range(copies)]
    return told
