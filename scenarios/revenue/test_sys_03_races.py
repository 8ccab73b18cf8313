"""SYS-03: customers race for the last place of a slot; it is sold once, and who loses is told so."""

from __future__ import annotations

import pytest

from overbooked.scenario import (
    Budget,
    Faults,
    Judge,
    Played,
    Races,
    Round,
    System,
    exactly_one_exists,
    gap,
    linearizable,
    losers_are_told,
    never_oversold,
    sold_at_most,
)

# The chance that one round shows the hardest of this gap's mutants, as measured on the reference
# system; it decides how many rounds are enough and is noted as evidence.
_SEEN_IN_ONE_ROUND = 0.5


@gap("SYS-03.c", "SYS-03.e")
async def test_the_last_place_is_sold_once(
    system: System, races: Races, faults: Faults, judge: Judge, budget: Budget
) -> None:
    crowd = await system.customers(budget.burst)

    for size in budget.bursts:

        async def race(_: int, size: int = size) -> Round:
            slot = await system.open_slot(capacity=1)
            return Round(actions=[who.books(slot) for who in crowd[:size]], slots=[slot])

        async def one_wins(played: Played) -> None:
            (slot,) = played.slots
            state = await system.seen_state(slots=[slot])
            if not system.refuses:
                _, exist = await system.places(slot)
                for clause in judge.clauses:
                    with judge(clause):
                        exactly_one_exists(played.answers, exist, state=state)
                return
            with judge("SYS-03.c"):
                sold_at_most(1, played.answers, state=state)
                losers_are_told(played.answers, 409)
            with judge("SYS-03.e"):
                linearizable(played.history, [slot])

        # The window between look and leap is as wide as a statement takes: make statements slow.
        async with faults.widened("app->postgres", ms=2, jitter_ms=2):
            await races.rounds(_rounds(budget, size), race, one_wins, detects=_SEEN_IN_ONE_ROUND)


@gap("SYS-03.d", "SYS-03.e")
@pytest.mark.parametrize("shrinks", [False, True], ids=["grows", "shrinks"])
async def test_no_mix_of_changes_oversells_a_slot(
    system: System, races: Races, faults: Faults, judge: Judge, budget: Budget, shrinks: bool
) -> None:
    system.needs_refusals()
    crowd = await system.customers(budget.burst)
    ana, ben, cem, *others = crowd

    async def everything_at_once(_: int) -> Round:
        slot, elsewhere = await system.open_slot(capacity=4), await system.open_slot(capacity=1)
        booked = [await system.booking(who, slot) for who in (ana, ben, cem)]
        changes = [
            ana.cancels(booked[0]),
            ana.cancels(booked[0]),
            ben.reschedules(booked[1], elsewhere),
            system.resize(slot, 3 if shrinks else 5),
            others[0].books(elsewhere),
        ]
        return Round(
            actions=[*changes, *(who.books(slot) for who in others[len(changes) :])],
            slots=[slot, elsewhere],
        )

    async def all_places_add_up(played: Played) -> None:
        with judge("SYS-03.d"):
            for slot in played.slots:
                never_oversold(*await system.places(slot), slot=slot)
            losers_are_told(played.answers, 409)
        with judge("SYS-03.e"):
            linearizable(played.history, played.slots)

    async with faults.widened("app->postgres", ms=2, jitter_ms=2):
        rounds = _rounds(budget, budget.burst)
        await races.rounds(rounds, everything_at_once, all_places_add_up, detects=_SEEN_IN_ONE_ROUND)


def _rounds(budget: Budget, size: int) -> int:
    """Small bursts are cheap; a large one has the odds of several."""
    return max(1, budget.rounds // 2) if size == budget.burst else budget.rounds
