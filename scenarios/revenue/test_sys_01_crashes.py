"""SYS-01.e: payment and booking stay one, wherever the service is killed or its links fail."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack

import pytest

from harness import gap
from harness.faults.together import at_once
from harness.faults.toolbox import Faults
from harness.journeys.buying import Purchase, begins, repeats
from harness.oracles.integrity import never_torn, told_the_outcome, whole_again
from harness.stacks.protocol import Stack
from harness.targets.port import DurableState, Slot
from harness.targets.system import System
from harness.verdicts.judge import Judge

# The messages by which a payment takes effect.
LINKS = ("app->postgres", "app->provider")
# A client that is told to wait tries again; the lease of whoever died meanwhile has run out by then.
LATER_S = 60

# Where a payment is cut off: the provider knows of it, has the money, the place is booked.
KNOWN, CHARGED, BOOKED = "known to the provider", "charged", "booked"


@gap("SYS-01.e")
@pytest.mark.parametrize(
    "windows",
    [((CHARGED, "card"), (CHARGED, "card")), ((BOOKED, "card"), (KNOWN, "declined card"))],
    ids=["charged", "booked-or-declined"],
)
async def test_killed_right_after_a_step_took_effect(
    system: System, stack: Stack, faults: Faults, judge: Judge, windows: Sequence[tuple[str, str]]
) -> None:
    people = await system.customers(len(windows))
    slot = await system.open_slot(capacity=len(windows))
    await system.hold_deliveries()  # a webhook in time would finish what the service left half done
    replicas = stack.replicas[: len(windows)]
    paying = []
    purchases = []
    async with AsyncExitStack() as stepping:
        for n, (who, (window, method)) in enumerate(zip(people, windows, strict=True)):
            purchase = await begins(system, who, slot, method=method, replica=n)
            purchases.append(purchase)
            steps = await stepping.enter_async_context(faults.stepped(replicas[n], *LINKS))
            paying.append(asyncio.create_task(repeats(system, purchase, replica=n)))
            while await steps.next(paying[-1]):
                state = await looked_at(system, slot)
                if reached(window, purchase, state):
                    judge.count(f"killed once {window}")
                    break
        async with at_once(*(faults.killed(replica) for replica in replicas)):
            await asyncio.gather(*paying)
    await looked_at(system, slot)
    await ends_well(system, slot, purchases, first=purchases[1:], judge=judge)


async def looked_at(system: System, slot: Slot) -> DurableState:
    state = await system.state(slots=[slot])
    never_torn(state)
    return state


def reached(window: str, purchase: Purchase, state: DurableState) -> bool:
    charges = [row for row in state.charges if row.checkout == purchase.checkout]
    if window == BOOKED:
        return any(row.checkout == purchase.checkout for row in state.bookings)
    return any(row.captured_minor > 0 or window == KNOWN for row in charges)


async def ends_well(
    system: System, slot: Slot, purchases: Sequence[Purchase], *, first: Sequence[Purchase], judge: Judge
) -> None:
    """Some clients come back before recovery, all after it; everything adds up and all are told the same."""
    await system.advance(LATER_S)
    for purchase in first:
        await repeats(system, purchase)
    await looked_at(system, slot)
    await system.settle()
    whole_again(await system.state(slots=[slot]))
    for n, purchase in enumerate(purchases):
        await system.log_in(purchase.who)
        for again in range(2):
            await repeats(system, purchase, replica=n + again)
    state = await system.state(slots=[slot])
    whole_again(state)
    for purchase in purchases:
        assert purchase.checkout is not None
        told_the_outcome(purchase.payments, purchase.checkout, state)
        judge.count("payments repeated")
