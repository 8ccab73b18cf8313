"""Ids that sort by creation time, so that pages by id are pages by age."""

from __future__ import annotations

import hashlib
import secrets
import uuid


def new_id(prefix: str, now: float) -> str:
    """Return `prefix` + milliseconds of `now` + 40 random bits, in hexadecimal: byte order is age order."""
    return f"{prefix}{int(now * 1000):012x}{secrets.token_hex(5)}"


def bulk_intent_id(prefix: str, n: int) -> str:
    """Return the id of the n-th intent of a bulk."""
    return f"pi_{prefix}{n:08d}"


def bulk_checkout_id(prefix: str, n: int) -> str:
    """Return the checkout id of the n-th intent of a bulk; in SQL `md5(prefix || ':' || n)::uuid`."""
    return str(uuid.UUID(hashlib.md5(f"{prefix}:{n}".encode(), usedforsecurity=False).hexdigest()))
