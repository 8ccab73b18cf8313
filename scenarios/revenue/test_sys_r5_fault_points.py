"""SYS-R5.f: a reconciliation run is broken off at any boundary; started again, it ends like a whole one."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest

from overbooked.scenario import (
    KILLS,
    OF_OTHERS,
    OF_REFUNDS,
    OTHERS,
    REFUNDS,
    REPAIRS,
    Budget,
    FaultKind,
    Judge,
    ReconciliationJourney,
    Stack,
    System,
    gap,
    quotas_of,
    ruled_sweep,
)

# A run whose connection breaks there is broken off as one that is killed, without costing a restart.
KINDS = (*sorted(KILLS), FaultKind.RESET_BEFORE, FaultKind.ANSWER_LOST)


@gap("SYS-R5.f")
@pytest.mark.parametrize(
    ("name", "kinds"), [(OF_REFUNDS, REFUNDS), (OF_OTHERS, OTHERS)], ids=["refunds", "others"]
)
async def test_a_run_broken_off_at_each_of_its_boundaries_ends_like_a_whole_one(
    name: str,
    kinds: Sequence[str],
    system: System,
    stack: Stack,
    judge: Judge,
    budget: Budget,
    rng: random.Random,
) -> None:
    journey = ReconciliationJourney(system, kinds, name)
    quotas = quotas_of(budget, upon_faults=False)
    await ruled_sweep(stack, journey, judge, {REPAIRS: "SYS-R5.f"}, rng=rng, kinds=KINDS, quotas=quotas)
    await journey.mend()
