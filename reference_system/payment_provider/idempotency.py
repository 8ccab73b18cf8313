"""Idempotency keys: a repeated key gets its first answer."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any

from reference_system.payment_provider.errors import Refused
from reference_system.payment_provider.journal import Journal

Answer = tuple[int, dict[str, Any], bool]  # status, body, whether it is a replay


def answer(
    journal: Journal, key: str | None, path: str, body: dict[str, Any], act: Callable[[], dict[str, Any]]
) -> Answer:
    """Run `act` once for the key and return its answer, refusals included, for every repeat.

    Answers to malformed calls (422) and unknown objects (404) are not stored, because nothing was tried.
    Runs in the caller's transaction.
    """
    fingerprint = hashlib.sha256(json.dumps([path, body], sort_keys=True).encode()).hexdigest()
    if key is not None:
        known = journal.one("SELECT * FROM idempotency WHERE key = ?", key)
        if known is not None:
            if known["fingerprint"] != fingerprint:
                message = f"key {key} was used with another call"
                return 409, Refused(409, "idempotency_conflict", message).body(), False
            return known["status"], json.loads(known["body"]), True
    try:
        status, answered = 200, act()
    except Refused as refused:
        status, answered = refused.status, refused.body()
        if status in (404, 422):
            return status, answered, False
    if key is not None:
        journal.db.execute(
            "INSERT INTO idempotency (key, fingerprint, status, body) VALUES (?, ?, ?, ?)",
            (key, fingerprint, status, json.dumps(answered)),
        )
    return status, answered, False
