"""The records of one payment on both sides, built in memory before they are written."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from overbooked.capabilities.differences import DAY_S, MINUTE_S

PRICE_MINOR = 2500
CURRENCY = "EUR"
# An authorisation lives for a week.
ALIVE_S = 6 * DAY_S
# Entries of a pair: the account that is debited, and the one that is credited.
ACCOUNTS = {
    "capture": ("provider_receivable", "booking_revenue"),
    "refund": ("booking_revenue", "provider_receivable"),
}
STATUS_OF = {"booked": 201, "declined": 402, "failed": 409, "expired": 409}


@dataclass(slots=True)
class Charge:
    """A payment intent of the provider."""

    id: str
    created: float
    method: str
    checkout: str | None
    status: str = "captured"
    amount: int = PRICE_MINOR
    currency: str = CURRENCY
    captured: int = PRICE_MINOR
    refunded: int = 0
    captures: int = 1
    until: float | None = None


@dataclass(slots=True)
class RefundThere:
    """A refund of the provider; `refund` is the service's id of it, None if it was made by hand."""

    id: str
    charge: str
    amount: int
    status: str
    refund: UUID | None


@dataclass(slots=True)
class Payment:
    """A payment in the service's records."""

    id: UUID
    charge: str | None
    surplus: bool = False
    state: str = "captured"
    amount: int = PRICE_MINOR
    currency: str = CURRENCY
    captured: int = PRICE_MINOR
    refunded: int = 0


@dataclass(slots=True)
class Refund:
    """A refund in the service's records."""

    id: UUID
    payment: UUID
    amount: int
    state: str
    there: str | None
    reason: str = "cancelled"


@dataclass(slots=True)
class Posting:
    """A ledger transaction with its entries: account, signed minor units, currency."""

    id: UUID
    kind: str
    reference: str
    payment: UUID
    entries: list[tuple[str, int, str]]
    reverses: UUID | None = None


@dataclass(slots=True)
class Sale:
    """One checkout with all that belongs to it.

    Args:
        customer: who buys.
        other: another customer.
        now: the service's time.
        age_s: how old the records are, in seconds.
        method: how it is paid.
        currency: of its price.
        charge_id: the id of its first charge; "": any.
        edge: how its ids begin, in hexadecimal, if they are to be first or last; "": any.
    """

    customer: UUID
    other: UUID
    now: datetime
    age_s: float
    method: str
    currency: str = CURRENCY
    charge_id: str = ""
    edge: str = ""

    slot: UUID = field(default_factory=uuid4)
    moved_to: UUID | None = None
    checkout: UUID | None = None
    state: str = "open"
    price: int = PRICE_MINOR
    lease_s: float | None = None
    hold: str = "released"
    hold_s: float = -MINUTE_S
    hold_id: UUID = field(default_factory=uuid4)
    hold_is_of_checkout: bool = True
    booking: str = ""
    booking_id: UUID = field(default_factory=uuid4)
    taken_by: str = ""
    capacity: int = 1
    charges: list[Charge] = field(default_factory=list)
    refunds_there: list[RefundThere] = field(default_factory=list)
    payments: list[Payment] = field(default_factory=list)
    refunds: list[Refund] = field(default_factory=list)
    postings: list[Posting] = field(default_factory=list)
    subject: str = ""
    facts: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.checkout = self._id()
        self.hold_id, self.booking_id = self._id(), self._id()

    def _id(self) -> UUID:
        made = uuid4()
        return UUID(self.edge + made.hex[len(self.edge) :]) if self.edge else made

    @property
    def at(self) -> datetime:
        """When the records were written."""
        return self.now - timedelta(seconds=self.age_s)

    # -- at the provider -----------------------------------------------------------------------

    def charged(self, **values: Any) -> Charge:
        """Add a captured charge of the checkout, or one with other values."""
        created = self.at.timestamp() + len(self.charges)
        first = self.charge_id if not self.charges else ""
        id_ = first or f"pi_{int(created * 1000):012x}{secrets.token_hex(5)}"
        charge = Charge(id_, created, self.method, str(self.checkout), currency=self.currency)
        for name, value in values.items():
            setattr(charge, name, value)
        if charge.status != "captured":
            charge.captured = charge.captures = 0
        if charge.status == "requires_capture" and charge.until is None:
            charge.until = self.now.timestamp() + ALIVE_S
        self.charges.append(charge)
        return charge

    def refunded_there(
        self, charge: Charge, minor: int, *, of: Refund | None = None, status: str = "succeeded"
    ) -> RefundThere:
        """Add a refund of a charge: of the service's refund, or made by hand."""
        there = RefundThere(f"re_{secrets.token_hex(11)}", charge.id, minor, status, of.id if of else None)
        self.refunds_there.append(there)
        if status == "succeeded":
            charge.refunded += minor
        return there

    # -- at the service ------------------------------------------------------------------------

    def recorded(self, charge: Charge | None, *, posted: bool = True, **values: Any) -> Payment:
        """Add the captured payment of a charge with its ledger pair, or one with other values."""
        payment = Payment(uuid4(), charge.id if charge else None, currency=self.currency)
        for name, value in values.items():
            setattr(payment, name, value)
        if payment.state in ("created", "authorized", "failed", "voided"):
            payment.captured = 0
        self.payments.append(payment)
        if posted and payment.captured:
            self.post("capture", payment, payment.captured)
        return payment

    def refunded_here(
        self,
        payment: Payment,
        minor: int,
        *,
        state: str = "succeeded",
        there: str | None = None,
        posted: bool = True,
        reason: str = "cancelled",
    ) -> Refund:
        """Add a refund of a payment; one that succeeded is counted and posted."""
        refund = Refund(uuid4(), payment.id, minor, state, there, reason)
        self.refunds.append(refund)
        if state == "succeeded":
            payment.refunded += minor
            payment.state = "refunded" if payment.refunded >= payment.captured else "partially_refunded"
            if posted:
                self.post("refund", payment, minor, str(refund.id))
        return refund

    def refunded(
        self,
        charge: Charge,
        payment: Payment,
        minor: int,
        *,
        by_hand: bool = False,
        status: str = "succeeded",
    ) -> Refund:
        """Add a refund that both sides know, in the state that it has at the provider."""
        state = {"pending": "sent"}.get(status, status)
        refund = self.refunded_here(
            payment, minor, state=state, reason="made at the provider" if by_hand else "cancelled"
        )
        refund.there = self.refunded_there(charge, minor, of=None if by_hand else refund, status=status).id
        return refund

    def post(
        self, kind: str, payment: Payment, minor: int, reference: str = "", *, currency: str = ""
    ) -> Posting:
        """Add a ledger pair."""
        debit, credit = ACCOUNTS[kind]
        currency = currency or self.currency
        entries = [(debit, minor, currency), (credit, -minor, currency)]
        posting = Posting(uuid4(), kind, reference or payment.charge or str(payment.id), payment.id, entries)
        self.postings.append(posting)
        return posting

    def reverse(self, posting: Posting) -> None:
        """Add the reversal of a ledger pair."""
        entries = [(account, -minor, currency) for account, minor, currency in posting.entries]
        self.postings.append(
            Posting(uuid4(), "reversal", str(posting.id), posting.payment, entries, posting.id)
        )

    # -- whole states --------------------------------------------------------------------------

    def booked(self) -> None:
        """End the checkout with a confirmed booking."""
        self.state, self.booking, self.hold = "booked", "confirmed", "released"

    def cancelled(self) -> None:
        """End the checkout with a booking that was cancelled."""
        self.booked()
        self.booking = "cancelled"

    def ended(self, state: str) -> None:
        """End the checkout without a booking."""
        self.state, self.booking, self.hold = state, "", "released"

    def held(self, state: str, *, lease_s: float | None = None, hold_s: float = -MINUTE_S) -> None:
        """Leave the checkout unfinished, with its place held; seconds from now, negative: before."""
        self.state, self.lease_s, self.hold, self.hold_s = state, lease_s, "live", hold_s

    def sold(self) -> tuple[Charge, Payment]:
        """Sell the place: charged, recorded, posted, booked."""
        self.booked()
        charge = self.charged()
        return charge, self.recorded(charge)

    # -- what is written -----------------------------------------------------------------------

    @property
    def has_checkout(self) -> bool:
        """Whether the service has the checkout."""
        return self.state != ""

    @property
    def outcome(self) -> str | None:
        """The recorded answer of a checkout that has ended, as JSON."""
        status = STATUS_OF.get(self.state)
        return json.dumps({"status": status, "body": "{}"}) if status else None

    @property
    def places_taken(self) -> int:
        """How many places of its slot are taken."""
        own = (self.hold == "live") + (self.booking == "confirmed" and self.moved_to is None)
        return own + (self.taken_by in ("booking", "hold"))
