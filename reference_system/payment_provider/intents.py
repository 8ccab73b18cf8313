"""Payment intents: authorised, captured, cancelled."""

from __future__ import annotations

import json
import sqlite3
from typing import Any

from reference_system.payment_provider import amounts, events, ids
from reference_system.payment_provider.errors import Refused, invalid, missing
from reference_system.payment_provider.journal import Journal

DECLINED_TOKEN = "tok_declined"  # noqa: S105 - a card token that is always declined
STATUSES = ("requires_capture", "processing", "captured", "declined", "canceled")
_DAY_S = 86_400.0

INSERT = """
INSERT INTO intents (id, status, method, amount_minor, currency, captured_minor, captures, created,
    authorized_until, checkout_id, metadata)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""


def create(journal: Journal, body: dict[str, Any], *, authorization_days: float) -> dict[str, Any]:
    """Authorise (and, with `capture: automatic`, capture) a card, or await a bank transfer.

    Raises Refused 402 `card_declined`; the declined intent stays in the journal.
    """
    currency, minor = _price(body)
    method = body.get("method", "card")
    capture_mode = body.get("capture", "manual")
    if method not in ("card", "bank") or capture_mode not in ("manual", "automatic"):
        raise invalid("method is card or bank, capture is manual or automatic")
    now = journal.now()
    id_ = ids.new_id("pi_", now)
    if method == "bank":
        status = "processing"
    elif body.get("token") == DECLINED_TOKEN:
        status = "declined"
    else:
        status = "requires_capture"
    until = now + authorization_days * _DAY_S if status == "requires_capture" else None
    insert(
        journal,
        id_=id_,
        status=status,
        method=method,
        amount_minor=minor,
        currency=currency,
        captured_minor=0,
        captures=0,
        created=now,
        authorized_until=until,
        metadata=_metadata(body),
    )
    if status == "declined":
        declined = shown(journal, row(journal, id_))
        events.record(journal, "payment.failed", declined)
        raise Refused(402, "card_declined", "the card was declined", payment_intent=declined)
    if status == "requires_capture":
        if capture_mode == "automatic":
            return _captured(journal, id_)
        events.record(journal, "payment.authorized", shown(journal, row(journal, id_)))
    return shown(journal, row(journal, id_))


def capture(journal: Journal, id_: str) -> dict[str, Any]:
    """Capture an authorised intent. A second capture is an error."""
    intent = shown(journal, row(journal, id_))
    match intent["status"]:
        case "requires_capture":
            return _captured(journal, id_)
        case "captured":
            raise Refused(409, "already_captured", f"{id_} is captured already", payment_intent=intent)
        case status:
            raise Refused(409, "not_capturable", f"{id_} is {status}", payment_intent=intent)


def cancel(journal: Journal, id_: str) -> dict[str, Any]:
    """Void an authorised or processing intent; idempotent."""
    intent = shown(journal, row(journal, id_))
    if intent["status"] not in ("requires_capture", "processing", "canceled"):
        raise Refused(409, "not_cancelable", f"{id_} is {intent['status']}", payment_intent=intent)
    journal.db.execute("UPDATE intents SET status = 'canceled' WHERE id = ?", (id_,))
    return shown(journal, row(journal, id_))


def settle(journal: Journal, id_: str, *, paid: bool) -> dict[str, Any]:
    """Settle the bank transfer of an intent: it is paid, or fails finally."""
    intent = row(journal, id_)
    if intent["status"] != "processing":
        raise Refused(409, "not_processing", f"{id_} is {intent['status']}")
    if paid:
        return _captured(journal, id_)
    journal.db.execute("UPDATE intents SET status = 'declined' WHERE id = ?", (id_,))
    failed = shown(journal, row(journal, id_))
    events.record(journal, "payment.failed", failed)
    return failed


def _captured(journal: Journal, id_: str) -> dict[str, Any]:
    journal.db.execute(
        "UPDATE intents SET status = 'captured', captured_minor = amount_minor, captures = captures + 1 "
        "WHERE id = ?",
        (id_,),
    )
    captured = shown(journal, row(journal, id_))
    events.record(journal, "payment.captured", captured)
    return captured


# -- reading -------------------------------------------------------------------------------------


def row(journal: Journal, id_: str) -> sqlite3.Row:
    """Return the stored intent; raises Refused 404."""
    found = journal.one(
        "SELECT i.*, (SELECT coalesce(sum(amount_minor), 0) FROM refunds "
        "WHERE payment_intent = i.id AND status = 'pending') AS pending_minor FROM intents i WHERE id = ?",
        id_,
    )
    if found is None:
        raise missing("payment intent", id_)
    return found


def shown(journal: Journal, intent: sqlite3.Row) -> dict[str, Any]:
    """Return the intent in its API form; an expired authorisation is shown as cancelled."""
    currency = intent["currency"]
    status, until = intent["status"], intent["authorized_until"]
    if status == "requires_capture" and until is not None and until <= journal.now():
        status = "canceled"
    return {
        "id": intent["id"],
        "status": status,
        "method": intent["method"],
        "currency": currency,
        "amount": amounts.to_major(intent["amount_minor"], currency),
        "amount_captured": amounts.to_major(intent["captured_minor"], currency),
        "amount_refunded": amounts.to_major(intent["refunded_minor"], currency),
        "amount_refund_pending": amounts.to_major(intent["pending_minor"], currency),
        "captures": intent["captures"],
        "created": intent["created"],
        "authorized_until": until,
        "metadata": json.loads(intent["metadata"]),
    }


def page(journal: Journal, *, checkout_id: str | None, after: str, limit: int) -> dict[str, Any]:
    """Return intents with ids after `after`, in byte order of their ids."""
    where = "i.id > ?" if checkout_id is None else "i.id > ? AND i.checkout_id = ?"
    arguments: list[Any] = [after] if checkout_id is None else [after, checkout_id]
    rows = journal.rows(
        "SELECT i.*, (SELECT coalesce(sum(amount_minor), 0) FROM refunds "  # noqa: S608 - constants only
        "WHERE payment_intent = i.id AND status = 'pending') AS pending_minor "
        f"FROM intents i WHERE {where} ORDER BY i.id LIMIT ?",
        *arguments,
        limit + 1,
    )
    return {"data": [shown(journal, found) for found in rows[:limit]], "has_more": len(rows) > limit}


# -- writing -------------------------------------------------------------------------------------


def insert(
    journal: Journal,
    *,
    id_: str,
    status: str,
    method: str,
    amount_minor: int,
    currency: str,
    captured_minor: int,
    captures: int,
    created: float,
    authorized_until: float | None,
    metadata: dict[str, Any],
) -> None:
    """Insert an intent as given."""
    checkout = metadata.get("checkout_id")
    journal.db.execute(
        INSERT,
        (
            id_,
            status,
            method,
            amount_minor,
            currency,
            captured_minor,
            captures,
            created,
            authorized_until,
            str(checkout) if checkout is not None else None,
            json.dumps(metadata),
        ),
    )


def _price(body: dict[str, Any]) -> tuple[str, int]:
    currency = body.get("currency")
    if not (isinstance(currency, str) and len(currency) == 3 and currency.isupper()):
        raise invalid(f"currency is a code of three capitals, not {currency!r}")
    return currency, amounts.to_minor(body.get("amount"), currency)


def _metadata(body: dict[str, Any]) -> dict[str, Any]:
    metadata = body.get("metadata", {})
    if not isinstance(metadata, dict):
        raise invalid("metadata is an object")
    return metadata
