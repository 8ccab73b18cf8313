"""SYS-03: a slot is never sold more often than it has places, and every request that loses is refused."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from itertools import combinations_with_replacement, product

import pytest

from overbooked.scenario import (
    ROOM,
    WEBHOOKS,
    Budget,
    Bursts,
    Customer,
    ExplorationResult,
    Explorer,
    HarnessError,
    Judge,
    Races,
    SlotRace,
    System,
    can_run,
    exactly_one_exists,
    gap,
    is_contested,
    linearizable,
    never_oversold,
    no_place_lost,
    others_refused,
    sample_of,
    sold_at_most,
)

Case = tuple[str, ...]
Drawn = tuple[Case, list[Customer], tuple[str, int]]

# -- the axes: operations by what they do to the slot ------------------------------------------------

TAKES = ("book", "hold", "pay a lost hold", "move in")
FREES = ("cancel", "move out", "move elsewhere", "grow", "expire")  # a place of one booking, hold or slot
BESIDES = ("cancel another", "move another out")  # of another booking of the slot
CHANGES = ("pay", "pay a lapsed hold", "book the target", "shrink")
# A system may refuse to be paid for a hold that is lost, although a place is free: somebody else races too.
LOST = {"pay a lost hold"}
# A hold that is lost has no part in the slot any more, so its payment meets only those that take a place.
EVERY = FREES + BESIDES + CHANGES + ("book", "hold", "move in")

FAMILIES: dict[str, list[Case]] = {
    # One live hold at most: two have two places.
    "the last place": [
        *(two for two in combinations_with_replacement(TAKES, 2) if set(two) != LOST),
        *product(("pay",), TAKES),
    ],
    "the last place of three": [
        *(three for three in combinations_with_replacement(TAKES, 3) if set(three) != LOST),
        *(("pay", *two) for two in combinations_with_replacement(TAKES, 2)),
    ],
    "two meet": [
        *(pair for pair in combinations_with_replacement(EVERY, 2) if not set(pair) <= set(TAKES)),
        *((*pair, ROOM) for pair in combinations_with_replacement(EVERY, 2) if set(pair) & set(TAKES)),
    ],
    "a third comes": [
        (*pair, third)
        for pair in combinations_with_replacement(FREES + BESIDES + CHANGES, 2)
        for third in ("book", "hold", "move in")
    ],
}
# Those that the quick profile never leaves to chance.
ALWAYS: dict[str, Sequence[Case]] = {
    "the last place": [("book", "book"), ("book", "hold"), ("book", "move in"), ("pay", "book")],
    "two meet": [
        ("cancel", "cancel"),
        ("cancel", "cancel another"),
        ("cancel", "move out"),
        ("cancel", "book"),
        ("move out", "book the target"),
        ("expire", "book"),
        ("expire", "pay a lapsed hold"),
        ("shrink", "book"),
        ("grow", "shrink"),
        ("book", "book", ROOM),
    ],
}

# A payment has forty statements: two of them have over a thousand schedules, one and two other operations
# hundreds, which take minutes. Only a profile that draws more races than this from a family explores those.
FEW = 5

# The measured probability that one round finds the hardest mutant of this gap in the reference system.
DETECTS = 0.5
MIXES: dict[str, Case] = {
    "cancellations, moves, growth": (
        *("cancel", "cancel", "cancel", "move out", "move elsewhere", "book the target", "grow"),
        *("move in", "move in", "pay", "hold", "hold"),
    ),
    "cancellations, shrinkage, checkouts": (
        *("cancel", "cancel", "cancel", "shrink", "pay", "pay"),
        *("hold", "hold", "hold", "hold", "move in"),
    ),
}


async def contested(system: System, judge: Judge, people: list[Customer], case: Case) -> Races:
    """The operations of a case meet on one slot; then all that is left is bought."""
    while True:
        race = SlotRace(system, case, people)
        ran = yield await race.prepare()
        if not system.refuses:
            with judge("SYS-03.a", "SYS-03.c", "SYS-03.e"):
                _, sold = await system.booking.places(race.slots[0])
                exactly_one_exists(ran.answers, sold, state=await system.seen_state(slots=race.slots))
            continue
        left = await race.sell_out(ran)
        with judge("SYS-03.a", "SYS-03.b", "SYS-03.c", "SYS-03.d"):
            for each in left:
                never_oversold(each.capacity, each.booked + each.held, slot=each.slot)
            if set(case) == {"book"}:
                sold_at_most(1, ran.answers)
            others_refused(ran.answers, 409)
        if "SYS-03.c" not in judge.clauses:
            with judge("SYS-03.a", "SYS-03.b", "SYS-03.d"):
                for each in left:
                    no_place_lost(each.capacity - each.booked - each.held, each.answers, slot=each.slot)
        with judge("SYS-03.a", "SYS-03.b", "SYS-03.e"):
            linearizable(system.history_since(ran.race.begun), race.slots)


async def drawn(system: System, judge: Judge, budget: Budget, family: str) -> AsyncIterator[Drawn]:
    """Yield cases that the target offers, with customers: those never left to chance, and a sample of the
    others. A clause that is open needs no more of them."""
    if system.offers(WEBHOOKS):
        await system.webhooks.hold_deliveries(True)  # nothing but the operations of a case happens
    cases = FAMILIES[family] if system.refuses else FAMILIES[family][:1]  # ("book", "book"), and so on
    # One checkout is paid once: two payments with its key are one request that is repeated.
    offered = [case for case in cases if can_run(system, case) and case.count("pay a lapsed hold") < 2]
    short = [case for case in offered if budget.races > FEW or not is_long(case)]
    for case in sample_of(short, budget.races, system.rng, always=ALWAYS.get(family, ())):
        if judge.open_clauses:
            return
        yield case, await system.customers(len(case) + 2), (family, len(offered))


def is_long(case: Case) -> bool:
    """Whether a race has two whole payments, or one and two other operations."""
    payments = sum(name in ("pay", "pay a lapsed hold") for name in case)
    return payments > 1 or (payments == 1 and len(case) > 2 and ROOM not in case)


def somebody_lost(judge: Judge, case: Case, explored: ExplorationResult) -> None:
    """A race in which nobody lost although somebody had to proves nothing."""
    whole = explored.exhausted and explored.shard == (1, 1) and explored.violation is None
    if whole and is_contested(case):
        if not any("409" in outcome for outcome in explored.outcomes):
            raise HarnessError(f"{' and '.join(case)}: nobody lost in any order, so it was no race")
        judge.count("races with a winner and a loser")


@gap("SYS-03.a")
async def test_the_last_place_is_sold_once_in_every_order(
    system: System, explorer: Explorer, judge: Judge, budget: Budget
) -> None:
    async for case, people, family in drawn(system, judge, budget, "the last place"):
        ran = await explorer.explore(
            contested, system, judge, people, case, name=" and ".join(case), family=family
        )
        somebody_lost(judge, case, ran)


@gap("SYS-03.a")
async def test_the_last_place_is_sold_to_one_of_three_in_every_order(
    system: System, explorer: Explorer, judge: Judge, budget: Budget
) -> None:
    async for case, people, family in drawn(system, judge, budget, "the last place of three"):
        ran = await explorer.explore(
            contested, system, judge, people, case, name=" and ".join(case), family=family
        )
        somebody_lost(judge, case, ran)


@gap("SYS-03.b")
async def test_no_two_operations_oversell_or_lose_a_place_in_any_order(
    system: System, explorer: Explorer, judge: Judge, budget: Budget
) -> None:
    system.needs_refusals()
    async for case, people, family in drawn(system, judge, budget, "two meet"):
        ran = await explorer.explore(
            contested, system, judge, people, case, name=" and ".join(case), family=family
        )
        somebody_lost(judge, case, ran)


@gap("SYS-03.b")
async def test_a_third_gets_what_two_others_set_free_in_every_order(
    system: System, explorer: Explorer, judge: Judge, budget: Budget
) -> None:
    system.needs_refusals()
    async for case, people, family in drawn(system, judge, budget, "a third comes"):
        ran = await explorer.explore(
            contested, system, judge, people, case, name=" and ".join(case), family=family
        )
        somebody_lost(judge, case, ran)


@gap("SYS-03.c", "SYS-03.e")
@pytest.mark.usefixtures("slow_statements")
async def test_the_last_place_is_sold_once_in_bursts(
    system: System, bursts: Bursts, judge: Judge, budget: Budget
) -> None:
    for size in budget.bursts:
        people = await system.customers(size + 2)
        await bursts.play(contested, system, judge, people, ("book",) * size, detects=DETECTS)


@gap("SYS-03.d", "SYS-03.e")
@pytest.mark.parametrize("mix", MIXES)
@pytest.mark.usefixtures("slow_statements")
async def test_no_mix_of_changes_oversells_or_loses_a_place_in_bursts(
    system: System, bursts: Bursts, judge: Judge, budget: Budget, mix: str
) -> None:
    system.needs_refusals()
    wanted = tuple(name for name in MIXES[mix] if can_run(system, (name,)))
    case = (*wanted, *("book",) * (budget.burst - len(wanted)))
    people = await system.customers(len(case) + 2)
    await bursts.play(contested, system, judge, people, case, detects=DETECTS)
