"""SYS-01.e: a replica freezes in the middle of a payment, another takes it over, and the first goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import count

from overbooked.scenario import (
    LATER_S,
    Faults,
    Judge,
    Purchase,
    Purchases,
    Stack,
    System,
    begin_checkout,
    gap,
    payment_methods,
    repeat_payment,
)

# The axes: each method of payment, each of its calls to the provider, after which the replica is frozen, and
# who takes the payment over meanwhile.
PROVIDER = "app->payments"
BY_CLIENT, BY_JOBS = "the client's repeat", "the system's recovery"
TAKE_OVER: Sequence[str] = (BY_CLIENT, BY_JOBS)
# The frozen replica, and the one that serves everybody else.
FROZEN, RUNNING = 1, 0


@gap("SYS-01.e")
async def test_a_frozen_replica_goes_on_after_another_took_over(
    system: System, stack: Stack, faults: Faults, judge: Judge
) -> None:
    methods = payment_methods(system)
    purchases = Purchases(system, [await system.open_slot(capacity=100)], methods)
    for method in methods:
        for by in TAKE_OVER:
            for nth in count(1):
                purchase = await begun(purchases, method, replica=FROZEN)
                async with faults.stepped(stack.replicas[FROZEN], PROVIDER) as steps:
                    paying = asyncio.create_task(repeat_payment(system, purchase, replica=FROZEN))
                    frozen = all([await steps.next(paying) for _ in range(nth)])
                    if frozen:
                        await take_over(system, purchase, by)
                        judge.count(f"frozen at a call ({method}), taken over by {by}")
                await paying
                await purchases.look()
                if not frozen:  # the payment has fewer calls
                    break
    await purchases.assert_consistent(first=())


async def begun(purchases: Purchases, method: str, *, replica: int) -> Purchase:
    """Return a checkout of a new customer that is ready to be paid."""
    (who,) = await purchases.system.customers(1)
    (slot,) = purchases.slots
    return purchases.add(await begin_checkout(purchases.system, who, slot, method=method, replica=replica))


async def take_over(system: System, purchase: Purchase, by: str) -> None:
    """Complete a payment whose replica is frozen, after the time for which others leave it alone."""
    if by == BY_JOBS:
        await system.jobs.recover()
    else:
        await system.clock.advance(LATER_S)
        await repeat_payment(system, purchase, replica=RUNNING)
