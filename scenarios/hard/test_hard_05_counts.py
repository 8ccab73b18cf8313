"""HARD-05: a booking moves into a slot that loses a booking and capacity and then gets a new booking."""

from __future__ import annotations

from collections.abc import Sequence

from overbooked.scenario import (
    Actor,
    Answer,
    Customer,
    Explorer,
    Judge,
    Races,
    System,
    gap,
    never_oversold,
    others_refused,
)


async def moved(system: System, judge: Judge, people: Sequence[Customer]) -> Races:
    """A booking moves into a slot while another ends, the capacity is reduced and a customer books."""

    async def leave_resize_and_book(replica: int) -> Answer:
        await system.do(leaving, replica=replica)
        await system.do(system.resizing.resize(slot, 1), replica=replica)
        return await system.do(cem.books(slot), replica=replica)

    ana, ben, cem = people
    while True:
        slot, elsewhere = await system.open_slot(capacity=2), await system.open_slot()
        moving = ana.reschedules(await system.make_booking(ana, elsewhere), slot)
        leaving = ben.cancels(await system.make_booking(ben, slot))
        others = Actor("ben, the operator, then cem", "leave, resize, book", leave_resize_and_book)
        ran = yield [moving, others]
        with judge("HARD-05.a"):
            never_oversold(*await system.booking.places(slot), slot=slot)
            others_refused(ran.answers, 409)


@gap("HARD-05.a")
async def test_a_count_that_comes_back_is_not_taken_for_the_old_one_in_any_order(
    system: System, explorer: Explorer, judge: Judge
) -> None:
    await explorer.explore(moved, system, judge, await system.customers(3), preemptions=1)
