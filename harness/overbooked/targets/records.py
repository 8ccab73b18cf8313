"""What outlives the processes, as a database and a provider's journal show it, in domain words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Self

# -- durable state ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class BookingRow:
    id: str
    slot: str
    customer: str
    status: str  # "confirmed" | "cancelled"
    checkout: str | None = None  # set when it was paid for through checkout


@dataclass(frozen=True, slots=True)
class HoldRow:
    id: str
    slot: str
    checkout: str | None
    live: bool


@dataclass(frozen=True, slots=True)
class ChargeRow:
    """One payment at the provider: amounts in minor units; `checkout` as its metadata says."""

    id: str
    checkout: str | None
    currency: str
    captured_minor: int
    refunded_minor: int
    refund_pending_minor: int = 0
    captures: int = 0

    @property
    def net_minor(self) -> int:
        return self.captured_minor - self.refunded_minor - self.refund_pending_minor


# The states of a payment in their order: it may stay or go on, never back. A "failed" one may still
# be captured (the failure was told late); "voided" ends it, also one recorded as captured that the
# provider never captured: its captured amount is written off then.
PAYMENT_STATES: tuple[str, ...] = (
    "created",
    "authorized",
    "failed",
    "captured",
    "partially_refunded",
    "refunded",
    "voided",
)


@dataclass(frozen=True, slots=True)
class PaymentRow:
    """One payment as the service records it; `state` is one of PAYMENT_STATES."""

    id: str
    charge: str | None
    checkout: str | None
    state: str
    currency: str
    captured_minor: int
    refunded_minor: int


@dataclass(frozen=True, slots=True)
class LedgerTransaction:
    """One ledger transaction: `kind` is "capture" or "refund"; `entries` are signed minor units."""

    id: str
    kind: str
    checkout: str | None
    charge: str | None
    entries: tuple[tuple[str, int], ...]
    # A surplus transaction stays in the books, and so does the one that reverses it.
    reverses: str | None = None
    reversed_by: str | None = None

    @property
    def balanced(self) -> bool:
        return len(self.entries) >= 2 and sum(minor for _, minor in self.entries) == 0

    @property
    def amount_minor(self) -> int:
        return sum(minor for _, minor in self.entries if minor > 0)


@dataclass(frozen=True, slots=True)
class DeadLetter:
    id: str
    source: str  # "webhook" | "reconciliation" | ...
    subject: str
    reason: str


# The records of such a kind may be removed when they are done with; those of every other kind stay.
REMOVABLE: Mapping[str, bool] = {"removable": True}


@dataclass(frozen=True, slots=True)
class DurableState:
    """Everything that outlives the processes, restricted to some slots or checkouts.

    Each field is a kind of record: a tuple of rows. A target with further kinds adds fields in a subclass;
    oracles that compare whole states find them by `kinds`.
    """

    bookings: tuple[BookingRow, ...] = ()
    holds: tuple[HoldRow, ...] = field(default=(), metadata=REMOVABLE)
    charges: tuple[ChargeRow, ...] = ()
    payments: tuple[PaymentRow, ...] = ()
    ledger: tuple[LedgerTransaction, ...] = ()
    dead_letters: tuple[DeadLetter, ...] = field(default=(), metadata=REMOVABLE)

    def kinds(self) -> Mapping[str, tuple[Any, ...]]:
        """The rows of every kind of record, by the kind's name, as the type declares them."""
        return {kind.name: tuple(getattr(self, kind.name)) for kind in fields(self)}

    def lasting(self) -> frozenset[str]:
        """The kinds of which no record is ever removed."""
        return frozenset(kind.name for kind in fields(self) if not kind.metadata.get("removable"))

    def only(self, belongs: Callable[[Any], bool]) -> Self:
        """The state with those rows of every kind for which `belongs` is true."""
        return replace(
            self, **{kind: tuple(row for row in rows if belongs(row)) for kind, rows in self.kinds().items()}
        )

    def by_slots(self, owners: Mapping[str, str]) -> Self:
        """The same with every product's name replaced by the id of the slot it sells (`owners`)."""
        if not owners:
            return self

        def owned(row: Any) -> Any:
            return replace(row, slot=owners.get(row.slot, row.slot)) if hasattr(row, "slot") else row

        return replace(self, **{kind: tuple(map(owned, rows)) for kind, rows in self.kinds().items()})


# -- webhooks -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ProviderEvent:
    """One event of the payment provider, as its journal has it."""

    id: str
    type: str
    charge: str
    payload: Mapping[str, Any]
    acknowledged: bool = False


# -- reconciliation -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Discrepancy:
    """A difference planted between the provider's records and the service's.

    `kind` is one of `DISCREPANCIES`; `subject` is what a report must name to have found it.
    `facts` are for the oracle: `slot`, the id of a slot with one place on which nothing else is
    going on; `price_minor`; `checkout`, where there is one; `surplus`, the later of two charges.
    """

    kind: str
    subject: str
    facts: Mapping[str, Any] = field(default_factory=dict)


DISCREPANCIES: tuple[str, ...] = (
    "captured there, unknown here",
    "captured there, unknown here, place taken",
    "booked here, not captured there",
    "booked here, authorisation lapsed",
    "refunded there only",
    "refunded here only",
    "amount differs",
    "captured twice there",
    "recorded twice here",
    "ledger pair missing",
    "hold orphaned",
)


@dataclass(frozen=True, slots=True)
class ReconciliationReport:
    """What one reconciliation run said: `(subject, kind)` of each difference and what was done."""

    run: str
    differences: tuple[tuple[str, str], ...]
    repairs: tuple[tuple[str, str], ...] = ()
    examined: int = 0
