"""SYS-28.g: reconciliation repairs what webhooks that were never sent would have reported."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial

import pytest

from overbooked.scenario import (
    Customer,
    DurableState,
    Judge,
    System,
    UndeliveredPayment,
    eventually,
    gap,
    nothing_changed,
    recorded_once,
    same_records,
    state_of,
    stories,
    tell_all,
)

# Days after which reconciliation first looks at some of the payments.
LATER_DAYS = 33
_DAY_S = 86_400
_REPLICAS = 2


@gap("SYS-28.g")
@pytest.mark.usefixtures("held_deliveries")
async def test_reconciliation_alone_makes_up_for_what_was_never_sent(
    system: System, ana: Customer, judge: Judge
) -> None:
    told = [*stories(system), *stories(system, for_a_person=True)]
    judge.note("payments", [story.name for story in told])
    heard = await tell_all(system, ana, told)
    for payment in heard:
        await payment.deliver_all()
    await eventually(partial(state_of, [one for one in heard if not one.story.for_a_person]), recorded_once)

    unsent = await tell_all(system, ana, told)
    await system.reconciliation.reconcile()
    models = {payment.story.name: await payment.state() for payment in heard}
    await are_like(models, unsent, judge)

    # Of each payment one event is never sent, and reconciliation runs a month later.
    partly = await tell_all(system, ana, [story for story in told if story.reported_only])
    for n, payment in enumerate(partly):
        await sent_but_one(payment, n)
    await system.clock.advance(LATER_DAYS * _DAY_S)
    await system.reconciliation.reconcile()
    await are_like(models, partly, judge)

    # The events come after all, and reconciliation runs again.
    every = [*heard, *unsent, *partly]
    repaired = await state_of(every)
    for replica in range(_REPLICAS):
        await asyncio.gather(*(sent(payment, replica) for payment in every))
        nothing_changed(repaired, await state_of(every))
    await system.reconciliation.reconcile()
    nothing_changed(repaired, await state_of(every))


async def are_like(
    models: Mapping[str, DurableState], payments: Sequence[UndeliveredPayment], judge: Judge
) -> None:
    """Each payment has the records that delivery made for the same story."""
    for payment in payments:
        state = await payment.state()
        if not payment.story.for_a_person:
            recorded_once(state)
        same_records(state, models[payment.story.name])
        judge.count("payments never told of")


async def sent_but_one(payment: UndeliveredPayment, n: int) -> None:
    """Deliver every event but one, which is another one from payment to payment."""
    lost = n % len(payment.events)
    for place, event in enumerate(payment.events):
        if place != lost:
            await payment.system.webhooks.redeliver(event)


async def sent(payment: UndeliveredPayment, replica: int) -> None:
    for event in payment.events:
        await payment.system.do(payment.system.webhooks.deliver(event), replica=replica)
