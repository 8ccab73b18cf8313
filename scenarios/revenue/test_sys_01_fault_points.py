"""SYS-01.a-d: every boundary of a checkout is failed in every way, and what is left adds up."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest

from overbooked.scenario import (
    ANSWERS,
    BOOKS,
    HOLDS,
    KILLS,
    MONEY,
    Budget,
    CheckoutJourney,
    FaultKind,
    Judge,
    Stack,
    System,
    WebhookJourney,
    gap,
    quotas_of,
    ruled_sweep,
)

CLAUSES = {MONEY: "SYS-01.a", BOOKS: "SYS-01.b", HOLDS: "SYS-01.c", ANSWERS: "SYS-01.d"}
TOLD_BY_WEBHOOK = {aspect: CLAUSES[aspect] for aspect in (MONEY, BOOKS, HOLDS)}
# A webhook has a third of the boundaries that a checkout has, and few of its effects.
SHARE_OF_WEBHOOK = 0.2
# What fails a message, and what keeps everybody waiting or ends the service: two sweeps that can go on
# side by side. The first also strikes recoveries.
MESSAGES = (FaultKind.ERROR, FaultKind.RESET_BEFORE, FaultKind.ANSWER_LOST, FaultKind.TRICKLE)
OUTAGES = (FaultKind.STALL, *sorted(KILLS))


@gap("SYS-01.a", "SYS-01.b", "SYS-01.c", "SYS-01.d")
@pytest.mark.parametrize("kinds", [MESSAGES, OUTAGES], ids=["messages", "outages"])
async def test_a_checkout_survives_a_fault_at_each_of_its_boundaries(
    kinds: Sequence[FaultKind],
    system: System,
    stack: Stack,
    judge: Judge,
    budget: Budget,
    rng: random.Random,
) -> None:
    quotas = quotas_of(budget, upon_faults=kinds is MESSAGES)
    await ruled_sweep(stack, CheckoutJourney(system), judge, CLAUSES, rng=rng, kinds=kinds, quotas=quotas)


@gap("SYS-01.a", "SYS-01.b", "SYS-01.c")
async def test_a_payment_told_by_webhook_survives_a_fault_at_each_of_its_boundaries(
    system: System, stack: Stack, judge: Judge, budget: Budget, rng: random.Random
) -> None:
    quotas = quotas_of(budget.shared(SHARE_OF_WEBHOOK), upon_faults=False)
    await ruled_sweep(stack, WebhookJourney(system), judge, TOLD_BY_WEBHOOK, rng=rng, quotas=quotas)
