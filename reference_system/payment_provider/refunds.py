"""Refunds, which succeed at once or later."""

from __future__ import annotations

import json
import sqlite3
from typing import Any

from reference_system.payment_provider import amounts, events, ids, intents
from reference_system.payment_provider.errors import Refused, invalid, missing
from reference_system.payment_provider.journal import Journal


def create(journal: Journal, body: dict[str, Any], *, mode: str) -> dict[str, Any]:
    """Refund part or all of a captured intent; `mode` is `instant` or `pending`.

    Raises Refused 409 `amount_too_large` beyond what is captured and neither refunded nor pending.
    """
    intent = intents.row(journal, str(body.get("payment_intent")))
    minor = amounts.to_minor(body.get("amount"), intent["currency"])
    metadata = body.get("metadata", {})
    if minor == 0 or not isinstance(metadata, dict):
        raise invalid("a refund has an amount above zero and an object of metadata")
    if minor > intent["captured_minor"] - intent["refunded_minor"] - intent["pending_minor"]:
        raise Refused(
            409,
            "amount_too_large",
            f"{intent['id']} has less left to refund",
            payment_intent=intents.shown(journal, intent),
        )
    now = journal.now()
    id_ = ids.new_id("re_", now)
    journal.db.execute(
        "INSERT INTO refunds (id, payment_intent, amount_minor, status, created, metadata) "
        "VALUES (?, ?, ?, 'pending', ?, ?)",
        (id_, intent["id"], minor, now, json.dumps(metadata)),
    )
    if mode == "instant":
        settle(journal, id_, succeeded=True)
    return shown(row(journal, id_))


def settle(journal: Journal, id_: str, *, succeeded: bool) -> None:
    """Settle a pending refund as succeeded or failed; its event is due for delivery."""
    refund = row(journal, id_)
    journal.db.execute(
        "UPDATE refunds SET status = ? WHERE id = ?", ("succeeded" if succeeded else "failed", id_)
    )
    if succeeded:
        journal.db.execute(
            "UPDATE intents SET refunded_minor = refunded_minor + ? WHERE id = ?",
            (refund["amount_minor"], refund["payment_intent"]),
        )
    events.record(
        journal,
        "refund.succeeded" if succeeded else "refund.failed",
        intents.shown(journal, intents.row(journal, refund["payment_intent"])),
        refund=shown(row(journal, id_)),
    )


def settle_all(journal: Journal, *, succeeded: bool, intent_id: str | None = None) -> list[str]:
    """Settle every pending refund, or those of one intent, oldest first; returns their ids."""
    pending = [
        row["id"]
        for row in journal.rows(
            "SELECT id FROM refunds WHERE status='pending' AND (? IS NULL OR payment_intent = ?) "
            "ORDER BY seq",
            intent_id,
            intent_id,
        )
    ]
    for id_ in pending:
        settle(journal, id_, succeeded=succeeded)
    return pending


def row(journal: Journal, id_: str) -> sqlite3.Row:
    """Return the stored refund; raises Refused 404."""
    found = journal.one(
        "SELECT r.*, i.currency FROM refunds r JOIN intents i ON i.id = r.payment_intent WHERE r.id = ?", id_
    )
    if found is None:
        raise missing("refund", id_)
    return found


def shown(refund: sqlite3.Row) -> dict[str, Any]:
    """Return the refund in its API form."""
    return {
        "id": refund["id"],
        "payment_intent": refund["payment_intent"],
        "amount": amounts.to_major(refund["amount_minor"], refund["currency"]),
        "currency": refund["currency"],
        "status": refund["status"],
        "created": refund["created"],
        "metadata": json.loads(refund["metadata"]),
    }


def of_intent(journal: Journal, intent_id: str) -> dict[str, Any]:
    """Return all refunds of an intent, oldest first."""
    rows = journal.rows(
        "SELECT r.*, i.currency FROM refunds r JOIN intents i ON i.id = r.payment_intent "
        "WHERE r.payment_intent = ? ORDER BY r.seq",
        intent_id,
    )
    return {"data": [shown(found) for found in rows], "has_more": False}
