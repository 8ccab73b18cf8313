"""SYS-01.f: what a client was told of his payment is what he is told again, and nothing is done again."""

from __future__ import annotations

from overbooked.scenario import (
    Judge,
    System,
    accepted,
    begins,
    buys,
    gap,
    nothing_changed,
    paid_bookings,
    refused_with,
    repeats,
    same_answer,
)


@gap("SYS-01.f")
async def test_a_repeat_gets_the_first_answer_and_does_nothing_again(system: System, judge: Judge) -> None:
    ana, ben, cem, dan = everybody = await system.customers(4)
    slot, last = await system.open_slot(capacity=5), await system.open_slot(capacity=1)

    late = await begins(system, cem, last)
    await system.recover()  # nobody holds a place so long
    for who in everybody:
        await system.log_in(who)
    overtaken = await system.do(dan.books(last))
    accepted(overtaken, "a place whose hold is over cannot be booked")
    await repeats(system, late)
    booked = await buys(system, ana, slot)
    declined = await buys(system, ben, slot, method="declined card")

    purchases = (booked, declined, late)
    first = [purchase.payments[0] for purchase in purchases]
    accepted(first[0])
    refused_with(first[1], 402)
    refused_with(first[2], 409)
    paid_bookings(await system.state(slots=[slot]), 1)
    was = await system.state(slots=[slot, last])
    for purchase in purchases:
        same_answer(purchase.payments[0], await repeats(system, purchase))
        judge.count("repeats")
    nothing_changed(was, await system.state(slots=[slot, last]))

    await system.do(dan.cancels(overtaken))  # there would be a place for everybody now
    await system.recover()
    was = await system.state(slots=[slot, last])
    for purchase in purchases:
        await system.log_in(purchase.who)
        same_answer(purchase.payments[0], await repeats(system, purchase, replica=1))
        judge.count("repeats, much later")
    nothing_changed(was, await system.state(slots=[slot, last]))
