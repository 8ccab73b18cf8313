"""SYS-01.e: a link of the service fails until the service and its clients have given up."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from functools import partial
from itertools import cycle

from overbooked.scenario import (
    Budget,
    Customer,
    Faults,
    HarnessError,
    Judge,
    Purchase,
    Purchases,
    Stack,
    System,
    begin_checkout,
    buy,
    count_messages,
    gap,
    payment_methods,
    repeat_payment,
)

# The axes: each link, and each manner of its outage. Answers are lost, or requests. It begins in the middle
# of payments by each method at every replica, and ends when none of them is still tried. The system's own
# recovery runs after each, so that it meets interrupted payments more than once.
LOST, SILENT = "downstream", "upstream"
OUTAGES: Sequence[tuple[str, str]] = tuple(
    (link, manner) for manner in (LOST, SILENT) for link in ("app->payments", "app->postgres", "app->redis")
)
# What a sample always contains: a provider whose answers are lost, after which money may have been taken, and
# one that gets no request, after which nothing of a payment is there.
ALWAYS = (("app->payments", LOST), ("app->payments", SILENT))
# One outage for so many moments of the budget, at least one on each link.
MOMENTS_PER_OUTAGE = 6
TOGETHER = 8
# Groups of payments for which the slot has room during an outage. Payments may send fewer messages than the
# one that was counted; if all of a group are answered before the outage begins, another group pays.
GROUPS = 4


@gap("SYS-01.e")
async def test_an_outage_outlasts_every_retry(
    system: System, stack: Stack, faults: Faults, judge: Judge, budget: Budget, rng: random.Random
) -> None:
    outages = sample(budget.moments // MOMENTS_PER_OUTAGE, rng)
    judge.note("outages", {"injected": len(outages), "of": len(OUTAGES)})
    slot = await system.open_slot(capacity=TOGETHER * GROUPS * len(outages))
    purchases = Purchases(system, [slot], payment_methods(system))
    people = await system.customers(TOGETHER)
    for replica in range(len(stack.replicas)):  # so that the service has prepared its statements
        await buy(system, people[replica], slot, replica=replica)
    known = purchases.add(await begin_checkout(system, people[0], slot))
    messages = await count_messages(
        stack, {link for link, _ in OUTAGES}, partial(repeat_payment, system, known)
    )
    for link, manner in outages:
        nth = rng.randint(1, max(1, messages[link] * TOGETHER // 2))
        await suffer(purchases, people, faults, link, manner, nth)
        judge.count(f"outages of {link}: {manner}")
        await purchases.recover()
    judge.count("payments during an outage", len(purchases.all) - 1)
    undecided = [each for each in purchases.all if each.checkout is not None and each.outcome is None]
    judge.note("payments without an answer", len(undecided))
    await purchases.assert_consistent(first=undecided[::2])


async def suffer(
    purchases: Purchases, people: Sequence[Customer], faults: Faults, link: str, manner: str, nth: int
) -> None:
    """Pay by every method at every replica; fail a link from its n-th message on until nobody tries."""
    begun = await begin_together(purchases, people)
    stopped = [purchase.stopped_at for purchase in begun if purchase.checkout is None]
    if stopped:
        raise HarnessError(f"before an outage of {link}, checkouts stopped at {', '.join(stopped)}")
    async with faults.at_message(link, nth, stall=manner) as fault:
        await pay_together(purchases.system, begun)
        while not fault.fired:
            await pay_together(purchases.system, await begin_together(purchases, people))
    await purchases.look()


async def begin_together(purchases: Purchases, people: Sequence[Customer]) -> list[Purchase]:
    """Begin checkouts by every method, at every replica; an outage may stop some of them."""
    system, (slot,) = purchases.system, purchases.slots
    return [
        purchases.add(await begin_checkout(system, who, slot, method=method, replica=n))
        for n, (who, method) in enumerate(zip(people, cycle(purchases.methods), strict=False))
    ]


async def pay_together(system: System, begun: Sequence[Purchase]) -> None:
    """Pay checkouts at the same time, each until it has an answer or its client gives up."""
    await asyncio.gather(
        *(
            repeat_payment(system, purchase, replica=n)
            for n, purchase in enumerate(begun)
            if purchase.checkout is not None
        )
    )


def sample(k: int, rng: random.Random) -> list[tuple[str, str]]:
    """Return `ALWAYS`, an outage of each other link, and further ones up to `k`."""
    drawn = [one for one in rng.sample(OUTAGES, len(OUTAGES)) if one not in ALWAYS]
    first = {link: (link, manner) for link, manner in drawn}
    rest = [one for one in drawn if one not in first.values()]
    found = [*ALWAYS, *first.values()]
    return [*found, *rest[: max(0, k - len(found))]]
