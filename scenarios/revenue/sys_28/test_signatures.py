"""SYS-28.d: copies whose signature is not genuine, or genuine and old, are refused and change nothing."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from functools import partial

import pytest

from overbooked.scenario import (
    Action,
    Customer,
    Judge,
    System,
    UndeliveredPayment,
    accepted,
    altered,
    eventually,
    gap,
    nothing_changed,
    recorded_once,
    refused_with,
    state_of,
    stories,
    tell_all,
)

# Payments that have every kind of event.
DOUBTED = (
    "bank, refunded twice alike",
    "bank, failed",
    "card, interrupted",
    "card, a refund fails",
    "card, declined",
)
# Days after which a recorded delivery is sent again, byte by byte.
REPLAYED_AFTER_DAYS = (0.05, 1.0, 31.0, 400.0)
_DAY_S = 86_400
_REPLICAS = 2


def ways_to_learn_of_it_yet(
    system: System,
) -> Mapping[str, Callable[[UndeliveredPayment], Awaitable[object]]]:
    return {
        "redelivered": UndeliveredPayment.deliver_all,
        "reconciled": lambda _: system.reconciliation.reconcile(),
    }


@gap("SYS-28.d")
@pytest.mark.parametrize("way", ["redelivered", "reconciled"])
@pytest.mark.usefixtures("held_deliveries")
async def test_a_copy_that_is_not_genuine_changes_nothing_and_loses_nothing(
    system: System, ana: Customer, judge: Judge, seed: int, way: str
) -> None:
    payments = await some_payments(system, ana)
    look = partial(state_of, payments)
    await are_refused(payments, judge, shift=seed)
    for payment in payments:
        await ways_to_learn_of_it_yet(system)[way](payment)
    await eventually(look, recorded_once)
    await are_refused(payments, judge, shift=seed + 1)  # also for events that were processed already
    await signatures_are_not_lent(payments, judge)


@gap("SYS-28.d")
@pytest.mark.usefixtures("held_deliveries")
async def test_a_recorded_delivery_is_refused_later(system: System, ana: Customer, judge: Judge) -> None:
    heard, unheard = await some_payments(system, ana), await some_payments(system, ana)
    both = [*heard, *unheard]
    recorded = [system.webhooks.deliver(event) for payment in both for event in payment.events]
    for payment in heard:
        await payment.deliver_all()
    was = await eventually(partial(state_of, heard), recorded_once)
    for copy in recorded[: sum(len(payment.events) for payment in heard)]:
        accepted(await system.do(copy), "a fresh copy of a processed event is not acknowledged")
        judge.count("fresh copies")
    nothing_changed(was, await state_of(heard))
    was, day = await state_of(both), 0.0
    for later in REPLAYED_AFTER_DAYS:
        await system.clock.advance((later - day) * _DAY_S)
        day = later
        for n, copy in enumerate(recorded):
            refused_with(await system.do(copy, replica=n), 401)
            judge.count("replays")
        nothing_changed(was, await state_of(both))
    for payment in unheard:
        await payment.deliver_all()
    await eventually(partial(state_of, both), recorded_once)


@gap("SYS-28.d")
@pytest.mark.usefixtures("held_deliveries")
async def test_a_genuine_copy_is_taken_however_near_to_a_false_one(
    system: System, ana: Customer, judge: Judge
) -> None:
    for signature in system.webhooks.genuine_signatures():
        payments = await some_payments(system, ana)
        for payment in payments:
            for n, event in enumerate(payment.events):
                accepted(
                    await system.do(system.webhooks.deliver(event, signature=signature), replica=n),
                    f"a genuine delivery is refused ({signature})",
                )
                judge.count("genuine copies")
        await eventually(partial(state_of, payments), recorded_once)


async def some_payments(system: System, who: Customer) -> list[UndeliveredPayment]:
    return await tell_all(system, who, [story for story in stories(system) if story.name in DOUBTED])


async def are_refused(payments: Sequence[UndeliveredPayment], judge: Judge, *, shift: int) -> None:
    """Assert that copies with each false signature are answered 401 and change nothing.

    The events take turns: each false signature is tried on one of them, at one replica.
    """
    system = payments[0].system
    before = await state_of(payments)
    for n, (name, copy) in enumerate(false_copies(payments, shift)):
        refused_with(await system.do(copy, replica=n), 401)
        nothing_changed(before, await state_of(payments))
        judge.count(name.partition(" (")[0] if name.startswith("the signature of") else "false signatures")
    judge.note("false signatures", len(system.webhooks.false_signatures()))


async def signatures_are_not_lent(payments: Sequence[UndeliveredPayment], judge: Judge) -> None:
    """A signature that each replica has taken is refused over every other body, and with another event."""
    system = payments[0].system
    taken = [system.webhooks.deliver(event) for payment in payments for event in payment.events]
    for copy in taken:
        for replica in range(_REPLICAS):
            accepted(await system.do(copy, replica=replica), "a fresh copy is not acknowledged")
    before = await state_of(payments)
    for n, copy in enumerate(taken):
        others = [taken[n - 1]]
        for replica, false in enumerate(altered(copy, others).values()):
            refused_with(await system.do(false, replica=replica), 401)
            judge.count("bodies under a signature that was taken")
    nothing_changed(before, await state_of(payments))


def false_copies(payments: Sequence[UndeliveredPayment], shift: int) -> Iterator[tuple[str, Action]]:
    """Yield a delivery for each false signature, by its name, and for each change of a signed body."""
    webhooks = payments[0].system.webhooks
    events = [event for payment in payments for event in payment.events]
    for n, signature in enumerate(webhooks.false_signatures(), start=shift):
        yield signature, webhooks.deliver(events[n % len(events)], signature=signature)
    for n in range(_REPLICAS):
        event, *others = (events[(shift + n + step) % len(events)] for step in range(len(events)))
        genuine = [webhooks.deliver(other) for other in others]
        yield from altered(webhooks.deliver(event), genuine).items()
