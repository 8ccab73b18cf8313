"""The records of both sides about one checkout, as plain values that can be compared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from reference_system.booking.payments.intents import Intent, ProviderRefund


@dataclass(frozen=True, slots=True)
class PaymentHere:
    """A recorded payment; `surplus`: it is a second charge of its checkout."""

    id: UUID
    intent_id: str | None
    surplus: bool
    state: str
    amount_minor: int
    currency: str
    captured_minor: int
    refunded_minor: int


@dataclass(frozen=True, slots=True)
class RefundHere:
    """A recorded refund that did not fail."""

    id: UUID
    payment_id: UUID
    provider_refund_id: str | None
    amount_minor: int
    state: str


@dataclass(frozen=True, slots=True)
class Posting:
    """A ledger transaction that was not reversed: `capture` or `refund`.

    `amount_minor` is that of its larger side; the two sides differ if an entry is missing.
    """

    id: UUID
    kind: str
    reference: str
    payment_id: UUID
    amount_minor: int
    entries: int
    balance_minor: int
    currency: str | None  # of its entries; None: there are none, "": they have several

    @property
    def is_partial(self) -> bool:
        """Whether an entry of the pair is missing."""
        return self.entries < 2


@dataclass(frozen=True, slots=True)
class Here:
    """The service's records of one checkout."""

    checkout_id: UUID
    state: str
    amount_minor: int
    currency: str
    lease_until: datetime | None
    hold_live: bool
    booking_id: UUID | None
    booking_status: str | None
    payments: tuple[PaymentHere, ...]
    refunds: tuple[RefundHere, ...]
    postings: tuple[Posting, ...]
    unrefundable: frozenset[UUID] = frozenset()  # payments of which a refund failed at the provider

    @property
    def is_booked(self) -> bool:
        return self.booking_status == "confirmed"

    @property
    def main(self) -> PaymentHere | None:
        """The captured payment of the checkout itself; the schema allows one."""
        return next((p for p in self.payments if not p.surplus and p.captured_minor > 0), None)

    def payment(self, intent_id: str) -> PaymentHere | None:
        return next((p for p in self.payments if p.intent_id == intent_id), None)

    def refunds_of(self, payment: PaymentHere) -> tuple[RefundHere, ...]:
        return tuple(r for r in self.refunds if r.payment_id == payment.id)

    def postings_of(self, payment: PaymentHere, kind: str) -> list[Posting]:
        """Return the postings of one kind for a payment, oldest first."""
        return [p for p in self.postings if p.payment_id == payment.id and p.kind == kind]

    def is_in_hand(self, now: datetime) -> bool:
        """Whether its payment is in progress, so that the records may differ for a moment."""
        return self.state == "paying" and self.lease_until is not None and self.lease_until > now


@dataclass(frozen=True, slots=True)
class There:
    """The provider's records of one checkout: intents oldest first, refunds by intent."""

    intents: tuple[Intent, ...]
    refunds: Mapping[str, tuple[ProviderRefund, ...]] = field(default_factory=dict)

    @property
    def captured(self) -> tuple[Intent, ...]:
        return tuple(intent for intent in self.intents if intent.is_captured)

    def intent(self, intent_id: str | None) -> Intent | None:
        return next((intent for intent in self.intents if intent.id == intent_id), None)


@dataclass(frozen=True, slots=True)
class Summary:
    """A recorded payment in one row: enough to see whether it may differ from its intent."""

    payment_id: UUID
    intent_id: str
    checkout_id: UUID | None
    surplus: bool
    state: str
    amount_minor: int
    currency: str
    captured_minor: int
    refunded_minor: int
    checkout_state: str | None
    lease_until: datetime | None
    booked: bool
    refunds_minor: int
    refunds_pending: int
    refunds_succeeded: int
    refunds_succeeded_minor: int
    captures_posted: int
    captures_posted_minor: int
    refunds_posted: int
    refunds_posted_minor: int
    misposted: int  # transactions that are no pair of entries in the payment's currency
