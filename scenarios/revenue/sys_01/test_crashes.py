"""SYS-01.e: the service is killed right after a step of a payment took effect."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack

import pytest

from overbooked.scenario import (
    DurableState,
    Faults,
    Judge,
    Purchase,
    Purchases,
    Settlement,
    Stack,
    System,
    at_once,
    begin_checkout,
    gap,
    payment_methods,
    repeat_payment,
)

# The messages by which a payment takes effect.
LINKS = ("app->postgres", "app->payments")
# The steps after which the service is killed: the provider has a charge, the money is captured, the place
# is booked.
KNOWN, CHARGED, BOOKED = "known to the provider", "charged", "booked"
# The replicas that are killed together: for each, the step and the method of payment. `LATER` is the target's
# first method that settles later, a card where it has none.
LATER = "later"
TOGETHER = {
    "charged": ((CHARGED, "card"), (KNOWN, LATER)),
    "booked-or-declined": ((BOOKED, "card"), (KNOWN, "declined card")),
}


@gap("SYS-01.e")
@pytest.mark.parametrize("steps", TOGETHER.values(), ids=TOGETHER)
@pytest.mark.usefixtures("held_deliveries")  # a webhook would complete the interrupted payment
async def test_killed_right_after_a_step_took_effect(
    system: System, stack: Stack, faults: Faults, judge: Judge, steps: Sequence[tuple[str, str]]
) -> None:
    people = await system.customers(len(steps))
    methods = payment_methods(system)
    purchases = Purchases(system, [await system.open_slot(capacity=len(steps))], methods)
    later = next((name for name, settles in methods.items() if settles is Settlement.LATER), "card")
    paying = []
    async with AsyncExitStack() as standing:
        for n, (who, (step, method)) in enumerate(zip(people, steps, strict=True)):
            (slot,) = purchases.slots
            how = later if method is LATER else method
            purchase = purchases.add(await begin_checkout(system, who, slot, method=how, replica=n))
            stepped = await standing.enter_async_context(faults.stepped(stack.replicas[n], *LINKS))
            paying.append(asyncio.create_task(repeat_payment(system, purchase, replica=n)))
            while await stepped.next(paying[n]):
                if has_come_to(step, purchase, await purchases.look()):
                    judge.count(f"killed when {step} ({how})")
                    break
        async with at_once(*(faults.killed(stack.replicas[n]) for n in range(len(steps)))):
            await asyncio.gather(*paying)
    await purchases.look()
    # One client repeats its payment before recovery, the other after it.
    await purchases.assert_consistent(first=purchases.all[1:])


def has_come_to(step: str, purchase: Purchase, state: DurableState) -> bool:
    """Whether a payment has reached the step, in the database or at the provider."""
    if step == BOOKED:
        return any(row.checkout == purchase.checkout for row in state.bookings)
    charges = [row for row in state.charges if row.checkout == purchase.checkout]
    return any(row.captured_minor > 0 or step == KNOWN for row in charges)
