"""SYS-R5: reconciliation finds each difference between provider and service and repairs only what it may."""

from __future__ import annotations

import random
from collections.abc import Collection

import pytest

from overbooked.scenario import (
    DAY_S,
    Budget,
    Judge,
    PlantedDiscrepancies,
    System,
    accepted,
    at_edges,
    combinations,
    few,
    finds_exactly,
    finds_nothing,
    frees_its_place,
    gap,
    in_turn,
    left_to_a_person,
    nothing_changed,
    plant,
    posted_alike,
    repaired,
    sample,
    settle_and_hold,
    slot_of,
    untouched,
)

# The axes: shapes of each kind of difference, near misses, ages and payment methods are data of the
# capability (`overbooked/capabilities/differences.py`); a target says which of them it can plant. Nightly
# takes every combination; otherwise each shape is planted at its highest age, and some of each kind at the
# lowest and at one between, by every method. The currencies, which have different decimals, take turns. Near
# misses are cheap, so every combination of these is always planted. Others are planted at the edges of the
# lists that a run reads, and of their pages (`at_edges`).
EVERY_COMBINATION_FROM = 10_000  # of the budget's records
# How many shapes of each kind are planted for a second run.
A_KIND = 2
# Days between a run and a later one that must change nothing.
LATER_DAYS = (4, 40)


@gap("SYS-R5.a", "SYS-R5.b", "SYS-R5.c")
async def test_every_difference_is_found_and_repaired_or_left_to_a_person(
    system: System, judge: Judge, budget: Budget, rng: random.Random
) -> None:
    target = system.reconciliation
    every = combinations(target.shapes)
    chosen = every if budget.records >= EVERY_COMBINATION_FROM else sample(target.shapes, rng)
    edges = at_edges(target)
    wanted = [*chosen, *edges, *combinations(target.near_misses)]
    rng.shuffle(wanted)
    wanted = in_turn(wanted, target.currencies, rng)
    known = await settle_and_hold(system)
    (visitor,) = await system.customers(1)
    planted = await plant(system, wanted)

    report = await target.reconcile()

    models = planted.models()
    states = planted.of_each(await planted.state())
    judge.tally("records examined", report.examined)
    judge.count("differences", len(chosen), of=len(every))
    judge.count("differences at the edges of lists", len(edges))
    judge.count("near misses", len(planted.near_misses))
    judge.note("shapes", sorted({one.shape for one in planted.ones}))
    judge.note("ages and methods", sorted({f"{one.age_s:g} s, {one.method}" for one in wanted}))
    judge.note("currencies", list(target.currencies))
    with judge("SYS-R5.a"):
        finds_exactly(planted.ones, report, known)
    with judge("SYS-R5.c"):
        for one in planted.for_a_person:
            left_to_a_person(one, *states[one.subject])
    with judge("SYS-R5.b"):
        for one in planted.near_misses:
            untouched(one, *states[one.subject])
        for one in planted.repairable:
            repaired(one, *states[one.subject])
            posted_alike(states[one.subject][1], models)
            if frees_its_place(one):
                booked = await system.do(visitor.books(slot_of(one)))
                accepted(booked, f"{one.label}: its place is not free again")
    await planted.clear()


@gap("SYS-R5.d")
@pytest.mark.parametrize("pending", [False, True], ids=["refunds-done", "refunds-pending"])
async def test_a_second_run_changes_nothing(
    system: System, judge: Judge, rng: random.Random, pending: bool
) -> None:
    known = await settle_and_hold(system)
    planted = await plant(system, few(system.reconciliation.shapes, rng, A_KIND))
    left = {*known, *(pair for one in planted.for_a_person for pair in one.named)}
    await system.reconciliation.delay_refunds(pending)
    await system.reconciliation.reconcile()
    judge.count("differences", len(planted.ones))

    await changes_nothing(system, planted, left)
    for days in LATER_DAYS:
        await system.clock.advance(days * DAY_S)
        await changes_nothing(system, planted, left)
        judge.count("later runs")
    await system.jobs.recover()  # pending refunds succeed
    await changes_nothing(system, planted, left)
    await planted.clear()


async def changes_nothing(
    system: System, planted: PlantedDiscrepancies, known: Collection[tuple[str, str]]
) -> None:
    """Assert that a further run finds no new difference and changes nothing."""
    was = await planted.state()
    report = await system.reconciliation.reconcile()
    nothing_changed(was, await planted.state())
    finds_nothing(report, known)
