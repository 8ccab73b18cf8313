"""SYS-03: customers race for the last place, and every order of their statements is tried."""

from __future__ import annotations

import pytest

from overbooked.scenario import (
    Explore,
    Race,
    Ran,
    System,
    exactly_one_exists,
    gap,
    linearizable,
    losers_are_told,
    never_oversold,
    sold_at_most,
)


@gap("SYS-03.a")
@pytest.mark.parametrize("customers", [2, 3])
async def test_the_last_place_is_sold_once_in_every_order(
    system: System, explore: Explore, customers: int
) -> None:
    crowd = await system.customers(customers)

    async def race() -> Race:
        slot = await system.open_slot(capacity=1)
        return Race([who.books(slot) for who in crowd], always=[one_wins], slots=[slot])

    async def one_wins(ran: Ran) -> None:
        (slot,) = ran.slots
        state = await system.seen_state(slots=[slot])
        if not system.refuses:
            _, exist = await system.places(slot)
            exactly_one_exists(ran.told, exist, state=state)
            return
        sold_at_most(1, ran.told, state=state)
        losers_are_told(ran.told, 409)
        linearizable(ran.history, [slot])

    await explore.interleavings(race)


@gap("SYS-03.b")
async def test_a_place_that_is_cancelled_is_sold_once_in_every_order(
    system: System, explore: Explore
) -> None:
    system.needs_refusals()
    ana, ben, cem = await system.customers(3)

    async def cancelled_once() -> Race:
        slot = await system.open_slot(capacity=1)
        booked = await system.booking(ana, slot)
        return Race([ana.cancels(booked), ben.books(slot)], always=[places_add_up], slots=[slot])

    async def cancelled_twice() -> Race:
        slot = await system.open_slot(capacity=2)
        booked = await system.booking(ana, slot)
        await system.booking(cem, slot)
        return Race([ana.cancels(booked), ana.cancels(booked)], always=[room_for_one_more], slots=[slot])

    async def cancelled_twice_and_booked() -> Race:
        slot = await system.open_slot(capacity=1)
        booked = await system.booking(ana, slot)
        return Race(
            [ana.cancels(booked), ana.cancels(booked), ben.books(slot)],
            always=[places_add_up, room_for_one_more],
            slots=[slot],
        )

    async def places_add_up(ran: Ran) -> None:
        for slot in ran.slots:
            never_oversold(*await system.places(slot), slot=slot)
        losers_are_told(ran.told, 409)
        linearizable(ran.history, ran.slots)

    async def room_for_one_more(ran: Ran) -> None:
        """What was freed twice shows when everybody comes for it."""
        (slot,) = ran.slots
        for who in (ben, cem, ana):
            await system.do(who.books(slot))
        never_oversold(*await system.places(slot), slot=slot)

    await explore.interleavings(cancelled_once)
    await explore.interleavings(cancelled_twice)
    await explore.interleavings(cancelled_twice_and_booked)


@gap("SYS-03.b")
async def test_a_place_that_somebody_moves_into_is_sold_once_in_every_order(
    system: System, explore: Explore
) -> None:
    system.needs_refusals()
    ana, ben, cem = await system.customers(3)

    async def moved_and_booked() -> Race:
        slot, elsewhere = await system.open_slot(capacity=1), await system.open_slot(capacity=1)
        booked = await system.booking(ana, elsewhere)
        return Race(
            [ana.reschedules(booked, slot), ben.books(slot)],
            always=[places_add_up],
            slots=[slot, elsewhere],
        )

    async def moved_and_booked_at_both_ends() -> Race:
        slot, elsewhere = await system.open_slot(capacity=1), await system.open_slot(capacity=1)
        booked = await system.booking(ana, elsewhere)
        return Race(
            [ana.reschedules(booked, slot), ben.books(slot), cem.books(elsewhere)],
            always=[places_add_up],
            slots=[slot, elsewhere],
        )

    async def places_add_up(ran: Ran) -> None:
        for slot in ran.slots:
            never_oversold(*await system.places(slot), slot=slot)
        losers_are_told(ran.told, 409)
        linearizable(ran.history, ran.slots)

    await explore.interleavings(moved_and_booked)
    await explore.interleavings(moved_and_booked_at_both_ends)


@gap("SYS-03.b")
async def test_a_slot_that_is_resized_is_never_oversold_in_any_order(
    system: System, explore: Explore
) -> None:
    system.needs_refusals()
    ana, ben, cem = await system.customers(3)

    async def shrunk_and_booked() -> Race:
        slot = await system.open_slot(capacity=2)
        await system.booking(ana, slot)
        return Race([system.resize(slot, 1), ben.books(slot)], always=[places_add_up], slots=[slot])

    async def shrunk_and_booked_twice() -> Race:
        slot = await system.open_slot(capacity=2)
        return Race(
            [system.resize(slot, 1), ben.books(slot), cem.books(slot)], always=[places_add_up], slots=[slot]
        )

    async def places_add_up(ran: Ran) -> None:
        (slot,) = ran.slots
        never_oversold(*await system.places(slot), slot=slot)
        losers_are_told(ran.told, 409)
        linearizable(ran.history, [slot])

    await explore.interleavings(shrunk_and_booked)
    await explore.interleavings(shrunk_and_booked_twice)
