"""SYS-01.f: a repeated payment gets the first answer and has no further effect."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from overbooked.scenario import (
    PRICING,
    Answer,
    Customer,
    GapFound,
    Judge,
    Money,
    Purchase,
    Purchases,
    Settlement,
    Slot,
    System,
    accepted,
    begin_checkout,
    buy,
    describe,
    gap,
    nothing_changed,
    payment_methods,
    refused_with,
    repeat_payment,
    same_answer,
)

# The axes. Every conclusive answer: booked by each method of payment, declined by each that is declined, and
# each refusal that `refuse_in_each_way` makes. When it is repeated, in seconds since the last time: at once,
# minutes, days and a month later, after all jobs have run. By whom: every replica, at the same time.
DAY_S = 86_400.0
AGES: Mapping[str, float] = {
    "at once": 0.0,
    "minutes later": 600.0,
    "days later": 3 * DAY_S,
    "a month later": 31 * DAY_S,
}
REPLICAS = (0, 1)
# What has changed since, so that a payment that runs again has another answer: the price of every slot, and
# before the days, the place that was taken is free again, and a paid booking of each method is cancelled.
DEARER = Money(4100)
FREED = "days later"


@gap("SYS-01.f")
async def test_a_repeat_gets_the_first_answer_and_does_nothing_again(system: System, judge: Judge) -> None:
    private = system.offers(PRICING)
    slot = await system.open_slot(capacity=20, private_venue=private)
    last = await system.open_slot(capacity=1, private_venue=private)
    purchases = Purchases(system, [slot, last], payment_methods(system))
    await pay_by_each_method(purchases, slot)
    overtaker, taken = await refuse_in_each_way(purchases, slot, last)
    for purchase in purchases.all:
        judge.count(f"answered: {told(purchase)}")

    for age, seconds in AGES.items():
        if seconds:
            await purchases.pass_time(seconds)
        else:
            await purchases.log_in()
        if age == FREED:
            await system.sessions.log_in(overtaker)
            accepted(await system.do(overtaker.cancels(taken)), "a booking cannot be cancelled")
            await cancel_first_of_each_method(purchases)
        if private:
            for each in purchases.slots:
                await system.pricing.reprice(each, system.pricing.repricings[0], DEARER)
        was = await system.state(slots=purchases.slots)
        for purchase in purchases.all:
            answers = [repeat_payment(system, purchase, replica=replica) for replica in REPLICAS]
            for answer in await asyncio.gather(*answers):
                same_answer(purchase.payments[0], answer)
                judge.count(f"repeats {age}")
        nothing_changed(was, await system.state(slots=purchases.slots))


async def cancel_first_of_each_method(purchases: Purchases) -> None:
    """Cancel a paid booking of each method that has one in its answer; its payment is repeated too."""
    paid = {purchase.method: purchase for purchase in reversed(purchases.all) if purchase.booking}
    for purchase in paid.values():
        answer = await purchases.system.do(purchase.who.cancels(str(purchase.booking)))
        accepted(answer, "a paid booking cannot be cancelled")


async def pay_by_each_method(purchases: Purchases, slot: Slot) -> None:
    """Pay for a place by each method; by one that settles at once also for a second place of the same
    customer, for a third one with the key of the first, and with that key as another customer."""
    system = purchases.system
    for method, settles in purchases.methods.items():
        who, other = await system.customers(2)
        first = purchases.add(await buy(system, who, slot, method=method))
        if settles is Settlement.DECLINED:
            refused_with(first.payments[0], 402)
            continue
        accepted(first.payments[0])
        if settles is Settlement.AT_ONCE:
            second = purchases.add(await buy(system, who, slot, method=method))
            namesake = purchases.add(await buy(system, other, slot, method=method, key=first.key))
            confused = await buy(system, who, slot, method=method, key=first.key)
            mine = [each for each in (first, second, namesake, confused) if each.booking is not None]
            if len({each.booking for each in mine}) < len(mine):
                raise GapFound(
                    "the payment of another checkout was answered with this one's booking",
                    expected="a booking for each, or a refusal",
                    observed=", ".join(describe(each.payments[0]) for each in mine),
                )


async def refuse_in_each_way(purchases: Purchases, slot: Slot, last: Slot) -> tuple[Customer, Answer]:
    """Pay where the place was taken, where the quote has expired, and for a checkout that is paid already.

    Returns:
        The customer who took the place, and the answer with its booking.
    """
    system = purchases.system
    late, outdated, twice, overtaker = await system.customers(4)
    taken = purchases.add(await begin_checkout(system, late, last))
    await system.jobs.recover()  # expires the hold
    await log_in(system, late, overtaker, outdated)
    expired = purchases.add(await begin_checkout(system, outdated, slot))
    booked = await system.do(overtaker.books(last))
    accepted(booked, "a place whose hold is over cannot be booked")
    refused_with(await repeat_payment(system, taken), 409)

    if system.offers(PRICING):
        await system.clock.advance(system.pricing.price_lock_s)
    await system.jobs.recover()
    await log_in(system, outdated, twice)
    refused_with(await repeat_payment(system, expired), 409)

    paid = await buy(system, twice, slot)
    accepted(paid.payments[0])
    again = purchases.add(Purchase(twice, slot, twice.new_key(), paid.method, paid.facts))
    refused_with(await repeat_payment(system, again), 409)
    return overtaker, booked


async def log_in(system: System, *people: Customer) -> None:
    """Log these customers in afresh, because the clock was moved."""
    for who in people:
        await system.sessions.log_in(who)


def told(purchase: Purchase) -> str:
    """Return the first answer in short."""
    first = purchase.payments[0]
    how = "pending" if first.pending else "booked" if first.ok else first.problem
    return f"{how} ({purchase.method})"
