"""The provider's objects as the service sees them: amounts in minor units, times aware."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from reference_system.booking.pricing import money

STATUSES = frozenset({"requires_capture", "processing", "captured", "declined", "canceled"})


class Malformed(ValueError):
    """The provider said something that cannot be understood."""


@dataclass(frozen=True, slots=True)
class Intent:
    """A payment intent: `requires_capture`, `processing`, `captured`, `declined` or `canceled`.

    `authorized_until` is set while an authorisation lives or has lapsed; `refund_pending_minor` is on
    its way back and not in `refunded_minor`.
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
        """What was captured and has neither gone back nor is on its way."""
        return self.captured_minor - self.refunded_minor - self.refund_pending_minor


@dataclass(frozen=True, slots=True)
class ProviderRefund:
    """A refund at the provider: `pending`, `succeeded` or `failed`.

    `refund_id` is the service's own refund that it carries out; None when it was made by hand there.
    """

    id: str
    intent_id: str
    amount_minor: int
    status: str
    refund_id: UUID | None


def intent(document: Mapping[str, Any]) -> Intent:
    """Read an intent as the provider's API and events have it; raises Malformed."""
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
    """Read a refund as the provider's API and events have it; raises Malformed."""
    try:
        return ProviderRefund(
            id=_text(document["id"]),
            intent_id=_text(document["payment_intent"]),
            amount_minor=money.to_minor(document["amount"], document["currency"]),
            status=_text(document["status"]),
            refund_id=_uuid(document["metadata"].get("refund_id")),
        )
    except (KeyError, TypeError, AttributeError, ValueError) as error:
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
    """A reference to something of ours; anything else is somebody else's."""
    try:
        return UUID(value) if isinstance(value, str) else None
    except ValueError:
        return None
