"""SYS-01.a-d: faults of every kind at every boundary of a checkout leave consistent records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from overbooked.scenario import (
    ANSWERS,
    BOOKS,
    HOLDS,
    KILLS,
    MONEY,
    OUTAGES,
    SILENCES,
    Budget,
    CheckoutJourney,
    FaultKind,
    Judge,
    Settlement,
    Sweeps,
    System,
    WebhookJourney,
    gap,
    payment_methods,
    quotas_from,
    swept,
)

CLAUSES = {MONEY: "SYS-01.a", BOOKS: "SYS-01.b", HOLDS: "SYS-01.c", ANSWERS: "SYS-01.d"}
TOLD_BY_WEBHOOK = {aspect: CLAUSES[aspect] for aspect in (MONEY, BOOKS, HOLDS)}

# The axes. Each payment method that the target offers, "card" in a sweep of its own; each boundary; and the
# kinds of faults in classes, each a sweep that can run concurrently with the others:
CARD = "card"
KINDS: Mapping[str, Sequence[FaultKind]] = {
    # one message fails, and the service's own retry may repair it; also a second fault during recovery
    "messages": (FaultKind.ERROR, FaultKind.RESET_BEFORE, FaultKind.ANSWER_LOST, FaultKind.TRICKLE),
    # one call times out, or the service dies
    "stalls and kills": (FaultKind.STALL, *sorted(KILLS)),
    # a link fails until the service's own retries are over, at once or after its time-outs
    "outages": (*sorted(OUTAGES), *sorted(SILENCES)),
}
# Who completes what a fault left undecided: the client's repeats at all replicas, the system's recovery,
# and, in sweeps of their own, the provider's events. A payment that settles later arrives after the system's
# recovery, and in the sweeps of events before it.
REPORTED = (FaultKind.ANSWER_LOST, FaultKind.LOST_THEN_DOWN, FaultKind.KILL_AFTER)

# A sample's share of the profile's budget, for journeys with few effects.
SHARE_OF_OUTAGES = 0.5
SHARE_OF_METHOD = 0.25
SHARE_OF_REPORTED = 0.1
SHARE_OF_WEBHOOK = 0.2


@swept("checkout", "SYS-01")
def checkout(system: System) -> CheckoutJourney:
    """Quote, begin, details and payment of one place."""
    return CheckoutJourney(system)


@swept("checkout-by-declined-card", "SYS-01")
def declined(system: System) -> CheckoutJourney:
    """The same with a card that the provider declines."""
    return CheckoutJourney(system, "declined card", Settlement.DECLINED)


@swept("checkout-by-bank", "SYS-01")
def bank(system: System) -> CheckoutJourney:
    """The same with a payment that the provider captures and reports later."""
    return CheckoutJourney(system, "bank", Settlement.LATER)


@swept("checkout-reported", "SYS-01")
def reported(system: System) -> CheckoutJourney:
    """A checkout that the provider's events complete before the system's own recovery."""
    return CheckoutJourney(system, reported=True)


@swept("checkout-by-declined-card-reported", "SYS-01")
def declined_reported(system: System) -> CheckoutJourney:
    """The same with a card that the provider declines."""
    return CheckoutJourney(system, "declined card", Settlement.DECLINED, reported=True)


@swept("checkout-by-bank-reported", "SYS-01")
def bank_reported(system: System) -> CheckoutJourney:
    """The same with a payment that the provider captures before the system's own recovery."""
    return CheckoutJourney(system, "bank", Settlement.LATER, reported=True)


@swept("webhook", "SYS-01", "SYS-28")
def webhook(system: System) -> WebhookJourney:
    """The events of a bank transfer, delivered until each is acknowledged."""
    return WebhookJourney(system)


@gap("SYS-01.a", "SYS-01.b", "SYS-01.c", "SYS-01.d")
@pytest.mark.parametrize("kinds", KINDS.values(), ids=[name.replace(" ", "-") for name in KINDS])
async def test_a_checkout_survives_a_fault_at_each_of_its_boundaries(
    kinds: Sequence[FaultKind], system: System, sweeps: Sweeps, budget: Budget
) -> None:
    quotas = quotas_from(budget, upon_faults=kinds is KINDS["messages"])
    if kinds is KINDS["outages"]:
        quotas = quotas_from(budget.shared(SHARE_OF_OUTAGES), upon_faults=False, stalls=4 * budget.stalls)
    await sweeps.sweep(checkout(system), CLAUSES, kinds=kinds, quotas=quotas)


@gap("SYS-01.a", "SYS-01.b", "SYS-01.c", "SYS-01.d")
async def test_every_other_method_of_payment_survives_a_fault_at_each_boundary(
    system: System, sweeps: Sweeps, budget: Budget, judge: Judge
) -> None:
    methods = payment_methods(system)
    judge.note("methods of payment", {name: settles.value for name, settles in methods.items()})
    quotas = quotas_from(budget.shared(SHARE_OF_METHOD), upon_faults=False, stalls=budget.stalls)
    for name, settles in methods.items():
        if name != CARD:
            await sweeps.sweep(CheckoutJourney(system, name, settles), CLAUSES, quotas=quotas)


@gap("SYS-01.a", "SYS-01.b", "SYS-01.c", "SYS-01.d")
async def test_the_providers_events_complete_what_a_fault_interrupted(
    system: System, sweeps: Sweeps, budget: Budget
) -> None:
    quotas = quotas_from(budget.shared(SHARE_OF_REPORTED), upon_faults=False)
    for name, settles in payment_methods(system).items():
        journey = CheckoutJourney(system, name, settles, reported=True)
        await sweeps.sweep(journey, CLAUSES, kinds=REPORTED, quotas=quotas)


@gap("SYS-01.a", "SYS-01.b", "SYS-01.c")
async def test_a_payment_told_by_webhook_survives_a_fault_at_each_of_its_boundaries(
    system: System, sweeps: Sweeps, budget: Budget
) -> None:
    quotas = quotas_from(budget.shared(SHARE_OF_WEBHOOK), upon_faults=False)
    await sweeps.sweep(webhook(system), TOLD_BY_WEBHOOK, quotas=quotas)
