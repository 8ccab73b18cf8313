"""SYS-R5.g: a reconciliation run over very many records finds every difference in bounded memory."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import pytest_asyncio

from overbooked.scenario import (
    EVERY_KIND,
    Budget,
    Discrepancy,
    GapFound,
    HarnessError,
    Judge,
    ReconciliationReport,
    Stack,
    System,
    at_edges,
    finds_exactly,
    gap,
    peak_memory,
    plant,
    settle_and_hold,
)

MIB = 2**20
# A run that keeps all records in memory needs at least a kilobyte for each of ten thousand records.
MAY_GROW_BYTES = 6 * MIB


@pytest_asyncio.fixture(loop_scope="session")
async def roomy(stack: Stack) -> AsyncIterator[Stack]:
    """Yield a stack and renew it afterwards, because its many records would slow down later scenarios."""
    yield stack
    await stack.renew(mutant=stack.mutant)


@gap("SYS-R5.g")
async def test_very_many_records_take_no_more_memory_than_few(
    roomy: Stack, system: System, judge: Judge, budget: Budget
) -> None:
    few_records = budget.records // 3
    await settle_and_hold(system)
    await system.reconciliation.add_matching_payments(few_records)
    known = (
        await system.reconciliation.reconcile()
    ).differences  # so that memory needed once is allocated before the measurement

    planted, few, small_bytes = await run(system, roomy)
    finds_exactly(planted, few, known)
    await system.reconciliation.add_matching_payments(few_records * (budget.growth - 1))
    planted, many, large_bytes = await run(system, roomy)

    grown_bytes = large_bytes - small_bytes
    judge.count("records examined", many.examined)
    judge.measured("memory", {"few_bytes": small_bytes, "many_bytes": large_bytes, "records": few.examined})
    if many.examined < few_records * budget.growth:
        raise HarnessError(f"of {few_records * budget.growth} records it examined {many.examined}")
    finds_exactly(planted, many, {*known, *few.differences})
    if grown_bytes > MAY_GROW_BYTES:
        raise GapFound(
            "a reconciliation run takes memory for every record that there is",
            expected=f"at most {MAY_GROW_BYTES // MIB} MiB more for {many.examined} records "
            f"than for {few.examined}",
            observed=f"{grown_bytes / MIB:.1f} MiB more, {grown_bytes // many.examined} bytes a record",
        )


async def run(system: System, stack: Stack) -> tuple[Sequence[Discrepancy], ReconciliationReport, int]:
    """Plant discrepancies and reconcile; return them, the report and the peak memory in bytes."""
    planted = await plant(system, [*EVERY_KIND, *at_edges(system.reconciliation)])
    async with peak_memory([stack.processes[name] for name in stack.replicas]) as peak:
        report = await system.reconciliation.reconcile()
    return planted.ones, report, peak.bytes
