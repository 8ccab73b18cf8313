"""SYS-28: webhooks that are not to be trusted, that cannot be processed, and that never come."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace

import pytest

from overbooked.scenario import (
    DurableState,
    Faults,
    GapFound,
    Judge,
    ProviderEvent,
    System,
    Unheard,
    alike,
    eventually,
    exactly_once,
    gap,
    nothing_changed,
    pays_unheard,
    refused_with,
    told,
    told_once,
)

NOT_GENUINE = ("forged", "missing", "stale")
# Of a price of 2500: nothing goes back, some of it, all of it.
REFUNDS = ((), (400, 700), (1300, 1200))
# By then a system must have left to a person what it cannot process.
_MOST_ATTEMPTS = 30


def ways_to_learn_of_it_yet(system: System) -> Mapping[str, Callable[[Unheard], Awaitable[object]]]:
    return {"redelivered": Unheard.heard, "reconciled": lambda _: system.reconcile()}


@gap("SYS-28.d")
@pytest.mark.parametrize("way", ["redelivered", "reconciled"])
async def test_a_copy_that_is_not_genuine_changes_nothing_and_loses_nothing(
    system: System, judge: Judge, way: str
) -> None:
    (ana,) = await system.customers(1)
    await system.hold_deliveries()
    payments = await asyncio.gather(*(pays_unheard(system, ana, refunds=(400,)) for _ in NOT_GENUINE))
    for payment, signature in zip(payments, NOT_GENUINE, strict=True):
        await is_refused(payment, signature, judge)
        await ways_to_learn_of_it_yet(system)[way](payment)
        await eventually(payment.state, told_once)
        await is_refused(payment, signature, judge)  # known events are no exception


@gap("SYS-28.f")
async def test_an_event_that_cannot_be_processed_becomes_a_dead_letter(system: System, judge: Judge) -> None:
    (ana,) = await system.customers(1)
    await system.hold_deliveries()
    payment = await pays_unheard(system, ana, refunds=(400,))
    await payment.heard()
    before = await eventually(payment.state, told_once)
    event = system.bad_event(payment.charge)

    answer = await system.do(system.deliver(event))
    judge.count("attempts")
    if letters_about(event, await payment.state()):
        raise GapFound(
            "an event was given up at its first failure",
            expected="it is tried again",
            observed=f"a dead letter after {told(answer)}",
        )
    for _ in range(_MOST_ATTEMPTS):
        if answer.ok:
            break
        answer = await system.do(system.deliver(event))
        judge.count("attempts")
    if not letters_about(event, await payment.state()):
        await system.recover()  # who has acknowledged it may try by himself
    after = await payment.state()
    exactly_once(letters_about(event, after), [event.id], "dead letter about an event that keeps failing")
    nothing_changed(before, replace(after, dead_letters=before.dead_letters))

    await system.provider_refunds(payment.charge, 300)
    await payment.heard()  # what comes after it is not held up
    await eventually(payment.state, told_once)


@gap("SYS-28.f")
async def test_an_event_that_fails_for_a_while_is_retried(
    system: System, faults: Faults, judge: Judge
) -> None:
    (ana,) = await system.customers(1)
    await system.hold_deliveries()
    payment = await pays_unheard(system, ana, refunds=(400,))
    async with faults.down("app->postgres"):
        for event in payment.events:
            await system.redeliver(event)
            judge.count("events")
    if len(await payment.unacknowledged()) < len(payment.events):
        raise GapFound(
            "an event was acknowledged that could not be recorded",
            expected="an error, so that the provider delivers it again",
            observed="acknowledged while the database was out of reach",
        )
    await payment.heard()
    await eventually(payment.state, told_once)


@gap("SYS-28.g")
async def test_reconciliation_alone_makes_up_for_what_was_never_sent(system: System, judge: Judge) -> None:
    (ana,) = await system.customers(1)
    await system.hold_deliveries()
    pairs = [refunds for refunds in REFUNDS for _ in ("heard", "unsent")]
    payments = await asyncio.gather(*(pays_unheard(system, ana, refunds=refunds) for refunds in pairs))
    heard, unsent = payments[::2], payments[1::2]
    for payment in heard:
        await payment.heard()
        await eventually(payment.state, told_once)
    await system.reconcile()
    for payment, model in zip(unsent, heard, strict=True):
        state = await payment.state()
        told_once(state)
        alike(state, await model.state())
        judge.count("payments never told of")


async def is_refused(payment: Unheard, signature: str, judge: Judge) -> None:
    """Every event of a payment, badly signed, is answered 401 and changes nothing."""
    before = await payment.state()
    for event in payment.events:
        refused_with(await payment.system.do(payment.system.deliver(event, signature=signature)), 401)
        judge.count("copies")
    nothing_changed(before, await payment.state())


def letters_about(event: ProviderEvent, state: DurableState) -> list[str]:
    """The dead letters that name an event."""
    return [letter.subject for letter in state.dead_letters if letter.subject == event.id]
