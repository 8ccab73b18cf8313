"""SYS-28.e: a webhook is cut before its acknowledgement; delivered again, it takes effect exactly once."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence

import pytest

from overbooked.scenario import (
    Budget,
    Faults,
    HarnessError,
    Judge,
    Person,
    Stack,
    Stream,
    System,
    Unheard,
    eventually,
    gap,
    moments,
    pays_unheard,
    told_once,
)

REFUNDS = (400, 700)
# By these the service makes an event durable, and the provider learns of it.
DATABASE, WEBHOOKS = "app->postgres", "provider->app"
# How much each answer of the database is slowed. Handling an event takes a dozen of them, one after
# another: long enough to be killed between the acknowledgement and whatever is done after it.
_SLOW_MS = 40
_STRUCK_WITHIN_S = 10.0


@gap("SYS-28.e")
@pytest.mark.parametrize("stream", [Stream.UPSTREAM, Stream.DOWNSTREAM], ids=["request-lost", "answer-lost"])
async def test_a_webhook_cut_by_a_reset_takes_effect_once(
    system: System, faults: Faults, judge: Judge, stream: Stream
) -> None:
    (ana,) = await system.customers(1)
    await system.hold_deliveries()
    payment = await pays_unheard(system, ana, refunds=REFUNDS)
    async with faults.reset_peer(WEBHOOKS, stream=stream):
        for event in payment.events:
            await system.redeliver(event)
            judge.count("webhooks cut")
    if len(await payment.unacknowledged()) != len(payment.events):
        raise HarnessError("the provider has an acknowledgement although its link was reset")
    await told_again([payment])


@gap("SYS-28.e")
async def test_a_webhook_cut_by_a_kill_takes_effect_once(
    system: System, stack: Stack, faults: Faults, judge: Judge, budget: Budget, rng: random.Random
) -> None:
    (ana,) = await system.customers(1)
    await system.hold_deliveries()

    # Right after the acknowledgement, while there is time for whatever is done later.
    payments = await some_payments(system, ana)
    async with faults.latency(DATABASE, ms=_SLOW_MS):
        await deliver(payments)
        async with faults.killed("app"):
            judge.count("moments")
    await told_again(payments)

    # What a service that has just been started sends is what it sends after each kill: count it.
    payments = await some_payments(system, ana)
    before = stack.links[DATABASE].traffic()
    await deliver(payments)
    whole = stack.links[DATABASE].traffic().since(before).messages
    judge.note("messages of the handling", whole)
    await told_again(payments)

    for moment in moments(budget.moments, whole, rng):
        payments = await some_payments(system, ana)
        await kill_while_delivering(faults, payments, moment)
        await told_again(payments)
        judge.count("moments")


async def some_payments(system: System, who: Person) -> Sequence[Unheard]:
    return await asyncio.gather(*(pays_unheard(system, who, refunds=REFUNDS) for _ in range(2)))


async def deliver(payments: Sequence[Unheard]) -> None:
    """The provider delivers every event of some payments, all at once."""
    await asyncio.gather(
        *(payment.system.redeliver(event) for payment in payments for event in payment.events)
    )


async def kill_while_delivering(faults: Faults, payments: Sequence[Unheard], nth: int) -> None:
    """kill -9 of the service at its n-th message to the database since the deliveries began."""
    async with faults.at_message(DATABASE, nth, kill="app") as kill:
        while not kill.fired:  # one handling may be some messages shorter than another
            await deliver(payments)
        await kill.struck(_STRUCK_WITHIN_S)


async def told_again(payments: Sequence[Unheard]) -> None:
    """What was not acknowledged is delivered again; each event has taken effect once."""
    for payment in payments:
        await payment.heard()
        await eventually(payment.state, told_once)
