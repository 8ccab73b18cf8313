"""Reconciliation of the service's records with the provider's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from overbooked.capabilities import declare, runs_a_job
from overbooked.capabilities.differences import DISCREPANCIES, RecordShape

__all__ = [
    "DISCREPANCIES",
    "RECONCILIATION",
    "Discrepancy",
    "Reconciliation",
    "ReconciliationReport",
    "Wanted",
]


@dataclass(frozen=True, slots=True)
class Wanted:
    """One payment whose records are to be planted.

    Args:
        shape: how its records are.
        age_s: how old they are, in seconds.
        method: how it was paid.
        currency: of its amounts; "": the target's first.
        position: its place, from 0, in the order of the provider's list, where a payment without a charge has
            the place that its charge would have; -1: the last one; None: any.
    """

    shape: RecordShape
    age_s: float = 0.0
    method: str = "card"
    currency: str = ""
    position: int | None = None


@dataclass(frozen=True, slots=True)
class Discrepancy:
    """Planted records that differ between the provider and the service, or that look as if they did.

    `kind` is one of `DISCREPANCIES` or "" (a near miss); a report that found the discrepancy names `subject`.
    `facts` are for the oracle: `slot`, the id of a slot with one place that nothing else uses;
    `price_minor`; `checkout`, if there is one; `customer`, who must have the booking; `surplus`, the later
    charges; `owed_minor`, what was refunded here only; `to_capture`, the charge to capture, if there are
    several.

    `kinds` are all differences of it, `repair` is what must be done (of `differences`); defaults: `kind`
    alone, and its usual repair.
    """

    kind: str
    subject: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    shape: str = ""
    kinds: tuple[str, ...] = ()
    repair: str = ""

    @property
    def named(self) -> tuple[tuple[str, str], ...]:
        """The `(subject, kind)` that a report must name."""
        return tuple((self.subject, kind) for kind in self.kinds or (self.kind,) if kind)

    @property
    def label(self) -> str:
        """Its kind and shape, for messages."""
        return f"{self.kind}, {self.shape}" if self.kind and self.shape else self.kind or self.shape


@dataclass(frozen=True, slots=True)
class ReconciliationReport:
    """The report of one run: `(subject, kind)` of each difference, `(subject, action)` of each repair."""

    run: str
    differences: tuple[tuple[str, str], ...]
    repairs: tuple[tuple[str, str], ...] = ()
    examined: int = 0


class Reconciliation(Protocol):
    """Plant differences between the two sides, and run the job that compares them."""

    @property
    def shapes(self) -> Sequence[RecordShape]:
        """The shapes of differences that can be planted, of `differences.SHAPES` or others."""

    @property
    def near_misses(self) -> Sequence[RecordShape]:
        """The legitimate states that can be planted, of `differences.NEAR_MISSES` or others."""

    @property
    def currencies(self) -> Sequence[str]:
        """Currencies of sales, of which each has another number of decimals, if there are such."""

    @property
    def page_size(self) -> int:
        """The number of charges on a page of the provider's list, as the service reads it."""

    async def plant(self, wanted: Sequence[Wanted]) -> Sequence[Discrepancy]:
        """Make the records of some payments be as wanted, each on a slot of its own with one place.

        To make the positions true, payments on which both sides agree are added. Events of the provider
        about planted records are never sent.

        Raises:
            ValueError: a shape is not one of `shapes` or `near_misses`.
        """

    async def clear(self, planted: Sequence[Discrepancy]) -> None:
        """Remove the records of what was planted from both sides, and resolve the dead letters about it, so
        that later runs find nothing."""

    async def add_matching_payments(self, n: int) -> None:
        """Add `n` payments on which both sides agree (in bulk, bypassing HTTP)."""

    async def delay_refunds(self, delayed: bool) -> None:
        """Make the provider keep new refunds pending, or pay them out at once.

        `recover` and `settle` pay out pending refunds.
        """

    @runs_a_job
    async def reconcile(self) -> ReconciliationReport:
        """Run reconciliation once to its end, including repairs.

        Raises TargetError if the run did not end.
        """

    async def last_report(self) -> ReconciliationReport:
        """Return what the last run recorded, finished or not."""


RECONCILIATION = declare("reconciliation", Reconciliation)
