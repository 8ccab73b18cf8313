"""HARD-06: a customer books while two others cancel and the operator then reduces the slot's capacity."""

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


async def smaller(system: System, judge: Judge, people: Sequence[Customer]) -> Races:
    """A customer books while two others cancel and then the slot's capacity is reduced."""

    async def leave_and_resize(replica: int) -> Answer:
        for one in leaving:
            await system.do(one, replica=replica)
        return await system.do(system.resizing.resize(slot, 1), replica=replica)

    ana, ben, cem, dan = people
    while True:
        slot = await system.open_slot(capacity=3)
        await system.make_booking(dan, slot)
        leaving = [who.cancels(await system.make_booking(who, slot)) for who in (ben, cem)]
        others = Actor("ben, cem, then the operator", "leave, then resize", leave_and_resize)
        ran = yield [ana.books(slot), others]
        with judge("HARD-06.a"):
            never_oversold(*await system.booking.places(slot), slot=slot)
            others_refused(ran.answers, 409)


@gap("HARD-06.a")
async def test_a_slot_that_empties_and_is_made_smaller_is_never_oversold_in_any_order(
    system: System, explorer: Explorer, judge: Judge
) -> None:
    await explorer.explore(smaller, system, judge, await system.customers(4), preemptions=1)
