"""SYS-28.e: a webhook that is cut before its acknowledgement and redelivered takes effect exactly once."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from functools import partial

import pytest

from overbooked.scenario import (
    Budget,
    Customer,
    Faults,
    HarnessError,
    Judge,
    Stack,
    Stream,
    System,
    UndeliveredPayment,
    count_messages,
    eventually,
    gap,
    kill_at_message,
    moments,
    recorded_once,
    state_of,
    stories,
    tell_all,
    until,
)

# Payments that have every kind of event, by each method. Their events are handled at the same time, so that
# one kill strikes many of them, each at another statement.
STRUCK = (
    "bank",
    "bank, refunded twice alike",
    "bank, failed",
    "card, interrupted",
    "card, a refund fails",
)
# The links by which the service stores an event and the provider gets the acknowledgement.
DATABASE, WEBHOOKS = "app->postgres", "payments->app"
# Latency of each answer of the database in milliseconds. Work after the acknowledgement then lasts long
# enough to be interrupted by a kill; handling an event takes a dozen successive answers.
_SLOW_MS, _JITTER_MS = 40, 30
# Messages of the database after which deliveries are cut while the service handles them.
_HANDLED = 30


@gap("SYS-28.e")
@pytest.mark.parametrize("stream", [Stream.UPSTREAM, Stream.DOWNSTREAM], ids=["request-lost", "answer-lost"])
@pytest.mark.usefixtures("held_deliveries")
async def test_a_webhook_cut_by_a_reset_takes_effect_once(
    system: System, ana: Customer, faults: Faults, judge: Judge, stream: Stream
) -> None:
    payments = await some_payments(system, ana)
    async with faults.reset_peer(WEBHOOKS, stream=stream):
        for payment in payments:
            for event in payment.events:
                await system.webhooks.redeliver(event)
                judge.count("webhooks cut")
    for payment in payments:
        if len(await payment.unacknowledged()) != len(payment.events):
            raise HarnessError("the provider has an acknowledgement although its link was reset")
    await told_again(payments)


@gap("SYS-28.e")
@pytest.mark.usefixtures("held_deliveries")
async def test_a_webhook_cut_while_it_is_handled_takes_effect_once(
    system: System, ana: Customer, stack: Stack, faults: Faults, judge: Judge
) -> None:
    payments = await some_payments(system, ana)
    before = stack.links[DATABASE].traffic()

    async def handled_in_part() -> bool:
        return stack.links[DATABASE].traffic().since(before).messages >= _HANDLED

    async with faults.latency(DATABASE, ms=_SLOW_MS):
        delivering = asyncio.create_task(deliver(payments))
        await until(handled_in_part, f"{_HANDLED} messages of the database")
        async with faults.reset_peer(WEBHOOKS):
            await delivering
            judge.count("webhooks cut", sum(len(payment.events) for payment in payments))
    await told_again(payments)


@gap("SYS-28.e")
@pytest.mark.usefixtures("held_deliveries")
async def test_a_webhook_cut_by_a_kill_takes_effect_once(
    system: System,
    ana: Customer,
    stack: Stack,
    faults: Faults,
    judge: Judge,
    budget: Budget,
    rng: random.Random,
) -> None:

    # Kill the service right after the acknowledgement, before any later work has finished.
    payments = await some_payments(system, ana)
    async with faults.latency(DATABASE, ms=_SLOW_MS):
        await deliver(payments)
        async with faults.killed("app"):
            judge.count("moments")
    await told_again(payments)

    # Count the messages of a service that was just started, as it is after each kill.
    payments = await some_payments(system, ana)
    whole = (await count_messages(stack, [DATABASE], partial(deliver, payments)))[DATABASE]
    judge.note("messages of the handling", whole)
    await told_again(payments)

    for moment in moments(budget.moments, whole, rng):
        payments = await some_payments(system, ana)
        async with faults.widened(DATABASE, ms=_SLOW_MS, jitter_ms=_JITTER_MS):
            await kill_at_message(faults, DATABASE, moment, partial(deliver, payments))
        await told_again(payments)
        judge.count("moments")
        judge.count("webhooks struck by a kill", sum(len(payment.events) for payment in payments))


async def some_payments(system: System, who: Customer) -> Sequence[UndeliveredPayment]:
    return await tell_all(system, who, [story for story in stories(system) if story.name in STRUCK])


async def deliver(payments: Sequence[UndeliveredPayment]) -> None:
    """Make the provider deliver every event of some payments at once."""
    await asyncio.gather(
        *(payment.system.webhooks.redeliver(event) for payment in payments for event in payment.events)
    )


async def told_again(payments: Sequence[UndeliveredPayment]) -> None:
    """Deliver unacknowledged events again and assert that each event took effect once."""
    for payment in payments:
        await payment.deliver_all()
    await eventually(partial(state_of, payments), recorded_once)
