"""SYS-28.f: webhooks that cannot be processed, for each reason, become dead letters; others are retried."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial

import pytest

from overbooked.capabilities.webhooks import OBSTRUCTION
from overbooked.scenario import (
    BadEvent,
    Customer,
    DurableState,
    Faults,
    GapFound,
    Judge,
    System,
    UndeliveredPayment,
    eventually,
    exactly_once,
    gap,
    given_up,
    nothing_changed,
    recorded_once,
    state_of,
    stories,
    tell_all,
    together,
)

# Payments that have every kind of event, by each method. Their events come while the database is out of
# reach, and while the service fails at them.
FAILED_AT = (
    "bank, refunded twice alike",
    "bank, failed",
    "card, interrupted",
    "card, a refund fails",
    "card, declined",
    "card, cancelled, refund paid out",
)
# Payments with a capture and two refunds, which bad events are made from, and another one.
SPOILED, ANOTHER = "bank, refunded twice alike", "bank"
# Seconds between the attempts at an event, as a provider makes them: in the end, days. The last holds for all
# further attempts.
PAUSES_S = (0, 60, 3_600, 86_400, 4 * 86_400)
# Attempts by which a system must have made a dead letter of an event that it cannot process.
_MOST_ATTEMPTS = 30
# Attempts at an event while the database is out of reach; more than a service grants to a bad event.
OUTAGE_ATTEMPTS = 8
# Times that a good event fails before it succeeds; the payments take turns.
FAILURES = (1, 2, 3)
_AT_ONCE = 8


@gap("SYS-28.f")
@pytest.mark.usefixtures("held_deliveries")
async def test_an_event_that_cannot_be_processed_becomes_a_dead_letter(
    system: System, ana: Customer, judge: Judge
) -> None:
    payments = await tell_all(system, ana, [s for s in stories(system) if s.name in (SPOILED, ANOTHER)])
    spoiled, another = sorted(payments, key=lambda payment: -len(payment.events))
    bad = system.webhooks.bad_events(spoiled.events, another.events)
    judge.note("bad events", dict(Counter(one.reason for one in bad)))
    before = await state_of(payments)

    answers = await attempts(system, bad, 0)
    judge.count("bad events", len(bad))
    after = await state_of(payments)
    nothing_changed(before, replace(after, dead_letters=before.dead_letters))
    early = letters_of(bad, before, after)
    if early:
        raise GapFound(
            "an event was given up at its first failure",
            expected="it is tried again",
            observed=f"a dead letter after the first attempt: {next(iter(early))}",
        )
    for payment in payments:
        await payment.deliver_all()  # good events behind the bad ones take effect
    told = await eventually(partial(state_of, payments), recorded_once)

    waiting = [one for one, answer in zip(bad, answers, strict=True) if not answer]
    for n in range(1, _MOST_ATTEMPTS):
        if not waiting:
            break
        await system.clock.advance(PAUSES_S[min(n, len(PAUSES_S) - 1)])
        answers = await attempts(system, waiting, n)
        waiting = [one for one, answer in zip(waiting, answers, strict=True) if not answer]
    after = await state_of(payments)
    if letters_of(bad, told, after).total() < len(bad):
        await system.jobs.recover()  # a system that has acknowledged it may retry it by a job
        after = await state_of(payments)
    each_given_up_once(bad, told, after)
    nothing_changed(told, replace(after, dead_letters=told.dead_letters))
    await an_operator_sees(system, told, after)

    await attempts(system, bad[:: len(PAUSES_S)], 0)
    each_given_up_once(bad, told, await state_of(payments))
    for payment in payments:
        await system.webhooks.provider_refunds(payment.charge, 300)
        await payment.deliver_all()  # dead letters do not block later events
    await eventually(partial(state_of, payments), recorded_once)


@gap("SYS-28.f")
@pytest.mark.usefixtures("held_deliveries")
async def test_an_event_that_fails_for_a_while_is_retried(
    system: System, ana: Customer, faults: Faults, judge: Judge
) -> None:
    payments = await some_payments(system, ana)
    async with faults.down("app->postgres"):
        for _ in range(OUTAGE_ATTEMPTS):
            await delivered_by_provider(payments)
            judge.count("rounds of failed attempts")
    for payment in payments:
        if len(await payment.unacknowledged()) < len(payment.events):
            raise GapFound(
                "an event was acknowledged that could not be recorded",
                expected="an error, so that the provider delivers it again",
                observed="acknowledged while the database was out of reach",
            )
    await take_effect_now(payments)
    if system.offers(OBSTRUCTION):
        await good_events_fail(system, ana, judge)


async def good_events_fail(system: System, ana: Customer, judge: Judge) -> None:
    """Good events fail for a while, and others for good."""
    payments = await some_payments(system, ana)
    groups = [payments[n :: len(FAILURES)] for n in range(len(FAILURES))]
    for failures, group in zip(FAILURES, groups, strict=True):
        was = await state_of(group)
        async with obstructed(system, group):
            for n in range(failures):
                await system.clock.advance(PAUSES_S[n])
                await delivered_by_provider(group)
                judge.count("rounds of failed attempts")
            nothing_changed(was, await state_of(group))
        await take_effect_now(group)

    await system.sessions.log_in(ana)
    lost = await some_payments(system, ana)
    was = await state_of(lost)
    async with obstructed(system, lost):
        for payment in lost:
            await payment.deliver_all()
            judge.count("payments whose events keep failing")
    after = await state_of(lost)
    for payment in lost:
        exactly_once(
            [letter.subject for letter in given_up(payment.events, after)],
            [event.id for event in payment.events],
            "dead letter about a good event that keeps failing",
        )
    nothing_changed(was, replace(after, dead_letters=was.dead_letters))


async def some_payments(system: System, who: Customer) -> list[UndeliveredPayment]:
    return await tell_all(system, who, [story for story in stories(system) if story.name in FAILED_AT])


async def take_effect_now(payments: Sequence[UndeliveredPayment]) -> None:
    """Assert that events whose earlier attempts failed take effect once the reason is gone."""
    for payment in payments:
        await payment.deliver_all()
    state = await eventually(partial(state_of, payments), recorded_once)
    events = [event for payment in payments for event in payment.events]
    exactly_once(
        [letter.subject for letter in given_up(events, state)], [], "dead letter about a processed event"
    )


async def delivered_by_provider(payments: Sequence[UndeliveredPayment]) -> None:
    events = [event for payment in payments for event in payment.events]
    for start in range(0, len(events), _AT_ONCE):
        batch = events[start : start + _AT_ONCE]
        await together(*(payments[0].system.webhooks.redeliver(event) for event in batch))


async def attempts(system: System, bad: Sequence[BadEvent], n: int) -> list[bool]:
    """Deliver each event once, to the replicas in turn; return which were acknowledged."""
    acknowledged: list[bool] = []

    async def attempt(place: int) -> None:
        answer = await system.do(system.webhooks.deliver(bad[place].event), replica=n + place)
        acknowledged[place] = answer.ok

    acknowledged = [False] * len(bad)
    for start in range(0, len(bad), _AT_ONCE):
        await together(*(attempt(place) for place in range(start, min(start + _AT_ONCE, len(bad)))))
    return acknowledged


_NO_ID = "an event without an id"


def letters_of(bad: Sequence[BadEvent], before: DurableState, after: DurableState) -> Counter[str]:
    """Return the number of new dead letters by the name of the bad event; those without an id together."""
    names = {one.event.id: one.name for one in bad if one.event.id}
    known = {letter.id for letter in before.dead_letters}
    return Counter(
        names.get(letter.subject, _NO_ID) for letter in after.dead_letters if letter.id not in known
    )


def each_given_up_once(bad: Sequence[BadEvent], before: DurableState, after: DurableState) -> None:
    """Each bad event has exactly one dead letter."""
    found = letters_of(bad, before, after)
    exactly_once(
        (name for name in found.elements() if name != _NO_ID),
        (one.name for one in bad if one.event.id),
        "dead letter about an event that keeps failing",
    )
    nameless = [one.name for one in bad if not one.event.id]
    if found[_NO_ID] != len(nameless):
        raise GapFound(
            "an event without an id that keeps failing has not exactly one dead letter",
            expected=f"{len(nameless)} new dead letters: {', '.join(nameless)}",
            observed=f"{found[_NO_ID]}",
        )


async def an_operator_sees(system: System, before: DurableState, after: DurableState) -> None:
    """Every new dead letter is in the queue that operators read, with a reason."""
    known = {letter.id for letter in before.dead_letters}
    seen = {letter.id for letter in await system.webhooks.read_dead_letters() if letter.reason}
    hidden = [letter for letter in after.dead_letters if letter.id not in known | seen]
    if hidden:
        raise GapFound(
            "a dead letter is not visible to operators",
            expected="every dead letter in the queue, with its reason",
            observed=f"{len(hidden)} are not, among them {hidden[0]}",
        )


@asynccontextmanager
async def obstructed(system: System, payments: Sequence[UndeliveredPayment]) -> AsyncIterator[None]:
    """The service fails at the events of some payments."""
    charges = [payment.charge for payment in payments]
    await system[OBSTRUCTION].obstruct(charges, True)
    try:
        yield
    finally:
        await system[OBSTRUCTION].obstruct(charges, False)
