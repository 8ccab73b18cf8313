"""SYS-R5.f: a reconciliation run interrupted at any boundary and restarted ends like a complete one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from overbooked.scenario import (
    KILLS,
    LOCAL,
    OTHERS,
    REFUNDS,
    REPAIRS,
    Budget,
    FaultKind,
    ReconciliationJourney,
    Sweeps,
    System,
    gap,
    quotas_from,
    swept,
)

# A broken connection interrupts a run as a kill does, without the cost of a restart.
KINDS = (*sorted(KILLS), FaultKind.RESET_BEFORE, FaultKind.ANSWER_LOST)
# More than the effects of the run that needs no provider.
EFFECTS = 10


@swept("reconciliation", "SYS-R5")
def reconciliation(system: System) -> ReconciliationJourney:
    """A reconciliation run with a discrepancy of each kind."""
    return ReconciliationJourney(system, (*REFUNDS, *OTHERS))


@swept("reconciliation-of-refunds")
def refunds(system: System) -> ReconciliationJourney:
    """A reconciliation run with discrepancies of refunds only, which is shorter."""
    return ReconciliationJourney(system, REFUNDS, "reconciliation-of-refunds")


@swept("reconciliation-of-others")
def others(system: System) -> ReconciliationJourney:
    """A reconciliation run with the other discrepancies."""
    return ReconciliationJourney(system, OTHERS, "reconciliation-of-others")


@swept("reconciliation-without-provider")
def local(system: System) -> ReconciliationJourney:
    """A reconciliation run with discrepancies that are repaired in several steps without the provider."""
    return ReconciliationJourney(system, LOCAL, "reconciliation-without-provider")


@gap("SYS-R5.f")
@pytest.mark.parametrize("make", [refunds, others, local], ids=["refunds", "others", "local"])
async def test_a_run_broken_off_at_each_of_its_boundaries_ends_like_a_whole_one(
    make: Callable[[System], ReconciliationJourney], system: System, sweeps: Sweeps, budget: Budget
) -> None:
    journey = make(system)
    quotas = quotas_from(budget, upon_faults=False)
    if make is local:
        # A lost answer is cheap, and this run is short: one for each of its effects.
        quotas = replace(quotas, plain=max(EFFECTS, quotas.plain or 0))
    await sweeps.sweep(journey, {REPAIRS: "SYS-R5.f"}, kinds=KINDS, quotas=quotas)
    await journey.clear()
