"""The journeys that can be swept, by name, and which of them a gap is about."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from overbooked.errors import UsageError
from overbooked.fault_points.journey import Journey
from overbooked.journeys.checkout_sweep import CheckoutJourney
from overbooked.journeys.reconciliation_sweep import (
    OTHERS,
    RECONCILIATION,
    REFUNDS,
    ReconciliationJourney,
)
from overbooked.journeys.webhook_sweep import WebhookJourney
from overbooked.targets.system import System

# The same with few differences, so that a run is short.
OF_REFUNDS, OF_OTHERS = "reconciliation-of-refunds", "reconciliation-of-others"
JOURNEYS: Mapping[str, Callable[[System], Journey]] = {
    "checkout": CheckoutJourney,
    "webhook": WebhookJourney,
    RECONCILIATION: lambda system: ReconciliationJourney(system, (*REFUNDS, *OTHERS)),
    OF_REFUNDS: lambda system: ReconciliationJourney(system, REFUNDS, OF_REFUNDS),
    OF_OTHERS: lambda system: ReconciliationJourney(system, OTHERS, OF_OTHERS),
}
OF_GAPS: Mapping[str, Sequence[str]] = {
    "SYS-01": ("checkout", "webhook"),
    "SYS-28": ("webhook",),
    "SYS-R5": (RECONCILIATION,),
}


def journeys_for(name: str) -> Sequence[str]:
    """The names of the journeys that a journey's name, or a gap's, means.

    Raises:
        UsageError: it means none.
    """
    if name in JOURNEYS:
        return (name,)
    gap = name.upper().partition(".")[0]
    if gap in OF_GAPS:
        return OF_GAPS[gap]
    raise UsageError(
        f"nothing to sweep by the name {name!r}: there are the journeys {', '.join(JOURNEYS)}, "
        f"and the gaps {', '.join(OF_GAPS)}"
    )
