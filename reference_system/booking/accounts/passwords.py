"""Passwords as Argon2id hashes, computed off the event loop."""

from __future__ import annotations

import asyncio
from functools import cache
from typing import Literal

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError

Cost = Literal["low", "standard"]


@cache
def _hasher(cost: Cost) -> PasswordHasher:
    if cost == "low":
        return PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    return PasswordHasher()  # RFC 9106, low-memory profile


@cache
def _nobodys(cost: Cost) -> str:
    return _hasher(cost).hash("nobody's password")


async def hashed(password: str, *, cost: Cost) -> str:
    """Return the hash to store for a password."""
    return await asyncio.to_thread(_hasher(cost).hash, password)


async def matches(password: str, password_hash: str | None, *, cost: Cost) -> bool:
    """Whether a password matches a hash; without a hash, False after the same time."""
    return await asyncio.to_thread(_verify, password, password_hash, cost)


def _verify(password: str, password_hash: str | None, cost: Cost) -> bool:
    try:
        _hasher(cost).verify(password_hash or _nobodys(cost), password)
    except (VerifyMismatchError, InvalidHashError):
        return False
    return password_hash is not None
