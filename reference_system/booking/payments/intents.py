"""The provider's objects: amounts in minor units, timezone-aware times."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from reference_system.booking.pricing import money

STATUSES = frozenset({"requires_capture", "processing", "captured", "declined", "canceled"})


class Malformed(ValueError):
    """A document of the provider is invalid."""


@dataclass(frozen=True, slots=True)
class Intent:
    """A payment intent: `requires_capture`, `processing`, `captured`, `declined` or `canceled`.

    `authorized_until` is set for a valid or lapsed authorisation; `refund_pending_minor` is not included in
    `refunded_minor`.
    """

    id: str
    status: str
    currency: str
    amount_minor: int
    captured_minor: int
    refunded_minor: int
    refund_pending_minor: int
    created_at: datetime
    authorized_until: datetime | None
    checkout_id: UUID | None

    @property
    def is_captured(self) -> bool:
        return self.captured_minor > 0

    @property
    def left_minor(self) -> int:
        """The captured amount without succeeded and pending refunds."""
        return self.captured_minor - self.refunded_minor - self.refund_pending_minor


@dataclass(frozen=True, slots=True)
class ProviderRefund:
    """A refund at the provider: `pending`, `succeeded` or `failed`.

    `refund_id` is the service's refund; None if it was made by hand at the provider.
    """

    id: str
    intent_id: str
    amount_minor: int
    currency: str
    status: str
    refund_id: UUID | None


def intent(document: Mapping[str, Any]) -> Intent:
    """Parse an intent from the provider's API or events; raises Malformed."""
    try:
        currency = str(document["currency"])
        until = document.get("authorized_until")
        return Intent(
            id=_text(document["id"]),
            status=_status(document["status"]),
            currency=currency,
            amount_minor=money.to_minor(document["amount"], currency),
            captured_minor=money.to_minor(document["amount_captured"], currency),
            refunded_minor=money.to_minor(document["amount_refunded"], currency),
            refund_pending_minor=money.to_minor(document["amount_refund_pending"], currency),
            created_at=datetime.fromtimestamp(document["created"], UTC),
            authorized_until=datetime.fromtimestamp(until, UTC) if until is not None else None,
            checkout_id=_uuid(document["metadata"].get("checkout_id")),
        )
    except (KeyError, TypeError, AttributeError, ValueError, OverflowError) as error:
        raise Malformed(f"no payment intent: {type(error).__name__}: {error}") from error


def refund(document: Mapping[str, Any]) -> ProviderRefund:
    """Parse a refund from the provider's API or events; raises Malformed."""
    try:
        return ProviderRefund(
            id=_text(document["id"]),
            intent_id=_text(document["payment_intent"]),
            amount_minor=money.to_minor(document["amount"], document["currency"]),
            currency=_text(document["currency"]),
            status=_text(document["status"]),
            refund_id=_uuid(document["metadata"].get("refund_id")),
        )
    except (KeyError, TypeError, AttributeError, ValueError, OverflowError) as error:
        raise Malformed(f"no refund: {type(error).__name__}: {error}") from error


def _text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise TypeError(f"{value!r} is no text")
    return value


def _status(value: object) -> str:
    if value not in STATUSES:
        raise ValueError(f"a payment is never {value!r}")
    return str(value)


def _uuid(value: object) -> UUID | None:
    """An id of the service; None for any other text."""
    try:
        return UUID(value) if isinstance(value, str) else None
    except ValueError:
        return None
