"""The provider's journal: one SQLite file in WAL mode, one transaction per call.

A committed transaction survives kill -9 of the process: with `synchronous=NORMAL` the WAL is written, but
not synced, before the commit returns, so only a crash of the machine could lose it.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

SCHEMA = """
CREATE TABLE IF NOT EXISTS settings (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS intents (
    id TEXT PRIMARY KEY,
    status TEXT NOT NULL,
    method TEXT NOT NULL,
    amount_minor INTEGER NOT NULL,
    currency TEXT NOT NULL,
    captured_minor INTEGER NOT NULL DEFAULT 0,
    refunded_minor INTEGER NOT NULL DEFAULT 0,
    captures INTEGER NOT NULL DEFAULT 0,
    created REAL NOT NULL,
    authorized_until REAL,
    checkout_id TEXT,
    metadata TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS intents_of_checkout ON intents (checkout_id, id);
CREATE TABLE IF NOT EXISTS refunds (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    payment_intent TEXT NOT NULL REFERENCES intents,
    amount_minor INTEGER NOT NULL CHECK (amount_minor > 0),
    status TEXT NOT NULL,
    created REAL NOT NULL,
    metadata TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS refunds_of_intent ON refunds (payment_intent, seq);
CREATE INDEX IF NOT EXISTS refunds_pending ON refunds (seq) WHERE status = 'pending';
CREATE TABLE IF NOT EXISTS events (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    type TEXT NOT NULL,
    payment_intent TEXT NOT NULL,
    created REAL NOT NULL,
    data TEXT NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    due_at REAL NOT NULL,
    acknowledged_at REAL
);
CREATE INDEX IF NOT EXISTS events_of_intent ON events (payment_intent, seq);
CREATE INDEX IF NOT EXISTS events_due ON events (due_at) WHERE acknowledged_at IS NULL;
CREATE TABLE IF NOT EXISTS idempotency (
    key TEXT PRIMARY KEY,
    fingerprint TEXT NOT NULL,
    status INTEGER NOT NULL,
    body TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS calls (
    seq INTEGER PRIMARY KEY,
    at REAL NOT NULL,
    method TEXT NOT NULL,
    path TEXT NOT NULL,
    key TEXT,
    status INTEGER NOT NULL,
    replayed INTEGER NOT NULL,
    payment_intent TEXT
);
CREATE INDEX IF NOT EXISTS calls_of_intent ON calls (payment_intent);
"""


class Journal:
    """The open journal, with the settings that outlive the process (clock, delivery and refund mode).

    It is used from the event loop's thread only. A call does not yield to the loop between its first
    statement and its commit, so calls are serial.
    """

    def __init__(self, data_dir: Path) -> None:
        data_dir.mkdir(parents=True, exist_ok=True)
        self.db = sqlite3.connect(data_dir / "journal.sqlite3", isolation_level=None)
        self.db.row_factory = sqlite3.Row
        self.db.execute("PRAGMA journal_mode=WAL")
        self.db.execute("PRAGMA synchronous=NORMAL")
        self.db.executescript(SCHEMA)
        self._settings: dict[str, str] = {
            row["name"]: row["value"] for row in self.db.execute("SELECT name, value FROM settings")
        }

    def close(self) -> None:
        self.db.close()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Run a transaction: committed at the end, rolled back if the block raises."""
        self.db.execute("BEGIN IMMEDIATE")
        try:
            yield self.db
        except BaseException:
            self.db.execute("ROLLBACK")
            raise
        self.db.execute("COMMIT")

    def one(self, sql: str, *arguments: Any) -> sqlite3.Row | None:
        row: sqlite3.Row | None = self.db.execute(sql, arguments).fetchone()
        return row

    def rows(self, sql: str, *arguments: Any) -> list[sqlite3.Row]:
        return self.db.execute(sql, arguments).fetchall()

    # -- settings that outlive the process -------------------------------------------------------

    def set(self, name: str, value: str) -> None:
        self.db.execute("INSERT OR REPLACE INTO settings (name, value) VALUES (?, ?)", (name, value))
        self._settings[name] = value

    @property
    def offset_s(self) -> float:
        """The offset of the provider's clock from real time, in seconds."""
        return float(self._settings.get("offset_s", "0"))

    def now(self) -> float:
        """The provider's time, seconds since the epoch."""
        return time.time() + self.offset_s

    @property
    def deliveries(self) -> str:
        """`auto` or `held`."""
        return self._settings.get("deliveries", "auto")

    @property
    def refunds(self) -> str:
        """`instant` or `pending`."""
        return self._settings.get("refunds", "instant")
