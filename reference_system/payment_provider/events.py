"""Events: changes of a payment, for the webhook and for queries."""

from __future__ import annotations

import json
import sqlite3
from typing import Any

from reference_system.payment_provider import ids
from reference_system.payment_provider.journal import Journal


def record(
    journal: Journal, type_: str, payment_intent: dict[str, Any], *, refund: dict[str, Any] | None = None
) -> str:
    """Write an event with a snapshot of its intent (and refund), due for delivery immediately."""
    now = journal.now()
    id_ = ids.new_id("evt_", now)
    data: dict[str, Any] = {"payment_intent": payment_intent}
    if refund is not None:
        data["refund"] = refund
    journal.db.execute(
        "INSERT INTO events (id, type, payment_intent, created, data, due_at) VALUES (?, ?, ?, ?, ?, ?)",
        (id_, type_, payment_intent["id"], now, json.dumps(data), now),
    )
    return id_


def wire(row: sqlite3.Row) -> dict[str, Any]:
    """Return the event as it is delivered."""
    return {"id": row["id"], "type": row["type"], "created": row["created"], "data": json.loads(row["data"])}


def shown(row: sqlite3.Row) -> dict[str, Any]:
    """Return the event as it is listed: as delivered, with the state of its delivery."""
    return {**wire(row), "attempts": row["attempts"], "acknowledged": row["acknowledged_at"] is not None}


def page(journal: Journal, *, intent_id: str | None, after: str | None, limit: int) -> dict[str, Any]:
    """Return events after `after`, oldest first."""
    start = journal.one("SELECT seq FROM events WHERE id = ?", after) if after else None
    rows = journal.rows(
        "SELECT * FROM events WHERE seq > ? AND (? IS NULL OR payment_intent = ?) ORDER BY seq LIMIT ?",
        start["seq"] if start else 0,
        intent_id,
        intent_id,
        limit + 1,
    )
    return {"data": [shown(row) for row in rows[:limit]], "has_more": len(rows) > limit}
