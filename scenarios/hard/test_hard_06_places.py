"""HARD-06: somebody books as others leave a slot and its operator makes it smaller after them."""

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


@gap("HARD-06.a")
async def test_a_slot_that_empties_and_is_made_smaller_is_never_oversold_in_any_order(
    system: System, explore: Explore
) -> None:
    ana, ben, cem, dan = await system.customers(4)

    async def smaller() -> Race:
        slot = await system.open_slot(capacity=3)
        await system.booking(dan, slot)
        leaving = [who.cancels(await system.booking(who, slot)) for who in (ben, cem)]

        async def leave_and_resize(replica: int) -> Answer:
            for one in leaving:
                await system.do(one, replica=replica)
            return await system.do(system.resize(slot, 1), replica=replica)

        return Race(
            [ana.books(slot), Actor("ben, cem, then the operator", "leave, then resize", leave_and_resize)],
            always=[places_add_up],
            slots=[slot],
        )

    async def places_add_up(ran: Ran) -> None:
        (slot,) = ran.slots
        never_oversold(*await system.places(slot), slot=slot)
        losers_are_told(ran.told, 409)

    await explore.interleavings(smaller, preemptions=1)
