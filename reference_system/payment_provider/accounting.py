"""The contents of the journal for oracles: charges, refunds and calls, in minor units."""

from __future__ import annotations

import sqlite3
from typing import Any

from reference_system.payment_provider import intents
from reference_system.payment_provider.journal import Journal

CHUNK = 500  # SQLite limits the number of parameters


def of(journal: Journal, checkout_ids: list[str] | None) -> dict[str, Any]:
    """Return charges with their refunds and the calls about them, of some checkouts or (None) of all.

    The read is atomic: no call runs in between.
    """
    found = list(_intents(journal, checkout_ids))
    charges = []
    for row in found:
        shown = intents.shown(journal, row)
        charges.append(
            {
                "id": row["id"],
                "checkout_id": row["checkout_id"],
                "status": shown["status"],
                "method": row["method"],
                "currency": row["currency"],
                "amount_minor": row["amount_minor"],
                "captured_minor": row["captured_minor"],
                "refunded_minor": row["refunded_minor"],
                "refund_pending_minor": row["pending_minor"],
                "captures": row["captures"],
                "created": row["created"],
            }
        )
    ids = {row["id"] for row in found}
    every = checkout_ids is None
    return {
        "charges": charges,
        "refunds": [
            _plain(row, "id", "payment_intent", "amount_minor", "status", "created", "metadata")
            for row in _about(journal, "refunds", ids, every=every)
        ],
        "calls": [
            _plain(row, "at", "method", "path", "key", "status", "replayed", "payment_intent")
            for row in _about(journal, "calls", ids, every=every)
        ],
    }


def _intents(journal: Journal, checkout_ids: list[str] | None) -> list[sqlite3.Row]:
    select = (
        "SELECT i.*, (SELECT coalesce(sum(amount_minor), 0) FROM refunds "
        "WHERE payment_intent = i.id AND status = 'pending') AS pending_minor FROM intents i "
    )
    if checkout_ids is None:
        return journal.rows(select + "ORDER BY id")
    rows: list[sqlite3.Row] = []
    for start in range(0, len(checkout_ids), CHUNK):
        part = checkout_ids[start : start + CHUNK]
        marks = ",".join("?" * len(part))
        rows += journal.rows(f"{select} WHERE checkout_id IN ({marks}) ORDER BY id", *part)
    return rows


def _about(journal: Journal, table: str, ids: set[str], *, every: bool) -> list[sqlite3.Row]:
    if every:
        return journal.rows(f"SELECT * FROM {table} ORDER BY seq")  # noqa: S608 - constants only
    rows: list[sqlite3.Row] = []
    wanted = sorted(ids)
    for start in range(0, len(wanted), CHUNK):
        part = wanted[start : start + CHUNK]
        marks = ",".join("?" * len(part))
        rows += journal.rows(
            f"SELECT * FROM {table} WHERE payment_intent IN ({marks}) ORDER BY seq",  # noqa: S608
            *part,
        )
    return rows


def _plain(row: sqlite3.Row, *names: str) -> dict[str, Any]:
    return {name: row[name] for name in names}
