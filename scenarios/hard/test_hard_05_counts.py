"""HARD-05: a booking is moved into a slot while that empties, is made smaller and fills up again."""

from __future__ import annotations

from overbooked.scenario import (
    Actor,
    Answer,
    Explore,
    Race,
    Ran,
    System,
    gap,
    losers_are_told,
    never_oversold,
)


@gap("HARD-05.a")
async def test_a_count_that_comes_back_is_not_taken_for_the_old_one_in_any_order(
    system: System, explore: Explore
) -> None:
    ana, ben, cem = await system.customers(3)

    async def moved() -> Race:
        slot, elsewhere = await system.open_slot(capacity=2), await system.open_slot()
        moving = ana.reschedules(await system.booking(ana, elsewhere), slot)
        leaving = ben.cancels(await system.booking(ben, slot))

        async def leave_resize_and_book(replica: int) -> Answer:
            await system.do(leaving, replica=replica)
            await system.do(system.resize(slot, 1), replica=replica)
            return await system.do(cem.books(slot), replica=replica)

        return Race(
            [moving, Actor("ben, the operator, then cem", "leave, resize, book", leave_resize_and_book)],
            always=[places_add_up],
            slots=[slot],
        )

    async def places_add_up(ran: Ran) -> None:
        (slot,) = ran.slots
        never_oversold(*await system.places(slot), slot=slot)
        losers_are_told(ran.told, 409)

    await explore.interleavings(moved, preemptions=1)
