"""SYS-R5: provider and service disagree; reconciliation finds it, repairs what it may, and only that."""

from __future__ import annotations

from collections.abc import Collection

import pytest

from overbooked.scenario import (
    FREES_ITS_PLACE,
    Budget,
    Judge,
    Planted,
    System,
    accepted,
    finds_exactly,
    finds_nothing,
    gap,
    left_to_a_person,
    nothing_changed,
    plant,
    quiet,
    repaired,
    slot_of,
)


@gap("SYS-R5.a", "SYS-R5.b", "SYS-R5.c")
async def test_every_difference_is_found_and_repaired_or_left_to_a_person(
    system: System, judge: Judge, budget: Budget
) -> None:
    known = await quiet(system)
    (visitor,) = await system.customers(1)
    await system.agree(budget.records)
    planted = await plant(system)

    report = await system.reconcile()

    after = await planted.state()
    judge.count("differences", len(planted.ones))
    judge.count("records examined", report.examined)
    with judge("SYS-R5.a"):
        finds_exactly(planted.ones, report, known)
    with judge("SYS-R5.c"):
        for one in planted.for_a_person:
            left_to_a_person(one, planted.before, after)
        await planted.mend()
    with judge("SYS-R5.b"):
        for one in planted.repairable:
            repaired(one, planted.before, after)
            if one.kind in FREES_ITS_PLACE:
                booked = await system.do(visitor.books(slot_of(one)))
                accepted(booked, f"{one.kind}: its place is not free again")


@gap("SYS-R5.d")
@pytest.mark.parametrize("pending", [False, True], ids=["refunds-done", "refunds-pending"])
async def test_a_second_run_changes_nothing(system: System, judge: Judge, pending: bool) -> None:
    known = await quiet(system)
    planted = await plant(system)
    left = {*known, *((one.subject, one.kind) for one in planted.for_a_person)}
    await system.delay_refunds(pending)
    await system.reconcile()
    judge.count("differences", len(planted.ones))

    await changes_nothing(system, planted, left)
    await system.recover()  # refunds arrive
    await changes_nothing(system, planted, left)
    await planted.mend()


async def changes_nothing(system: System, planted: Planted, known: Collection[tuple[str, str]]) -> None:
    """A run after one that has found everything finds, repairs and changes nothing."""
    was = await planted.state()
    report = await system.reconcile()
    nothing_changed(was, await planted.state())
    finds_nothing(report, known)
