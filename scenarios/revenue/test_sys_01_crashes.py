"""SYS-01.e: the service is killed right after each step of a payment took effect."""

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
    Stack,
    System,
    at_once,
    begins,
    gap,
    repeats,
)

# The messages by which a payment takes effect.
LINKS = ("app->postgres", "app->provider")
# Where a payment is cut off: the provider knows of it, the money is taken, the place is booked.
KNOWN, CHARGED, BOOKED = "known to the provider", "charged", "booked"
# Who is killed together, one a replica, each at which step of which method of payment.
TOGETHER = {
    "charged": ((CHARGED, "card"), (CHARGED, "card")),
    "booked-or-declined": ((BOOKED, "card"), (KNOWN, "declined card")),
}


@gap("SYS-01.e")
@pytest.mark.parametrize("steps", TOGETHER.values(), ids=TOGETHER)
async def test_killed_right_after_a_step_took_effect(
    system: System, stack: Stack, faults: Faults, judge: Judge, steps: Sequence[tuple[str, str]]
) -> None:
    people = await system.customers(len(steps))
    purchases = Purchases(system, [await system.open_slot(capacity=len(steps))])
    await system.hold_deliveries()  # a webhook in time would finish what the service left half done
    paying = []
    async with AsyncExitStack() as standing:
        for n, (who, (step, method)) in enumerate(zip(people, steps, strict=True)):
            (slot,) = purchases.slots
            purchase = purchases.add(await begins(system, who, slot, method=method, replica=n))
            stepped = await standing.enter_async_context(faults.stepped(stack.replicas[n], *LINKS))
            paying.append(asyncio.create_task(repeats(system, purchase, replica=n)))
            while await stepped.next(paying[n]):
                if has_come_to(step, purchase, await purchases.look()):
                    judge.count(f"killed when {step}")
                    break
        async with at_once(*(faults.killed(stack.replicas[n]) for n in range(len(steps)))):
            await asyncio.gather(*paying)
    await purchases.look()
    # One client is back before recovery, the other after it.
    await purchases.end_well(first=purchases.all[1:])


def has_come_to(step: str, purchase: Purchase, state: DurableState) -> bool:
    """Whether a payment is that far, in the database or at the provider."""
    if step == BOOKED:
        return any(row.checkout == purchase.checkout for row in state.bookings)
    charges = [row for row in state.charges if row.checkout == purchase.checkout]
    return any(row.captured_minor > 0 or step == KNOWN for row in charges)
