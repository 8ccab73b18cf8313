"""Customers, sessions and refresh tokens in the database."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row

from reference_system.booking.platform.db import Database, UnitOfWork

ADD_CUSTOMER = """
INSERT INTO customers (id, email, name, password_hash, is_operator, created_at)
VALUES (:id, :email, :name, :password_hash, :is_operator, :now)
"""
ADD_OPERATOR = ADD_CUSTOMER + "ON CONFLICT (email) DO NOTHING"
FIND_BY_EMAIL = "SELECT id, password_hash FROM customers WHERE email = :email"

ADD_SESSION = "INSERT INTO sessions (id, customer_id, created_at) VALUES (:id, :customer_id, :now)"
READ_SESSION = """
SELECT session.id, session.customer_id, session.revoked_at, customer.is_operator
FROM sessions AS session JOIN customers AS customer ON customer.id = session.customer_id
WHERE session.id = :session_id
"""
REVOKE_SESSION = "UPDATE sessions SET revoked_at = :now WHERE id = :session_id AND revoked_at IS NULL"
REVOKE_ALL_SESSIONS = """
UPDATE sessions SET revoked_at = :now WHERE customer_id = :customer_id AND revoked_at IS NULL
RETURNING id
"""

ADD_REFRESH_TOKEN = """
INSERT INTO refresh_tokens (id, session_id, token_hash, expires_at)
VALUES (:id, :session_id, :token_hash, :expires_at)
"""  # noqa: S105
LOCK_REFRESH_TOKEN = """
SELECT token.id, token.session_id, token.expires_at, token.used_at, session.revoked_at, session.customer_id
FROM refresh_tokens AS token JOIN sessions AS session ON session.id = token.session_id
WHERE token.token_hash = :token_hash
FOR UPDATE OF token
"""  # noqa: S105
USE_REFRESH_TOKEN = "UPDATE refresh_tokens SET used_at = :now WHERE id = :token_id"  # noqa: S105


async def add_customer(
    uow: UnitOfWork,
    *,
    customer_id: UUID,
    email: str,
    name: str,
    password_hash: str,
    now: datetime,
) -> None:
    """Add a customer. Raises ConstraintViolated (`customers_email_once`) if the address is taken."""
    await uow.execute(
        ADD_CUSTOMER,
        id=customer_id,
        email=email,
        name=name,
        password_hash=password_hash,
        is_operator=False,
        now=now,
    )


async def add_operator(
    uow: UnitOfWork,
    *,
    operator_id: UUID,
    email: str,
    password_hash: str,
    now: datetime,
) -> bool:
    """Add the operator unless the address has an account; returns whether it was added."""
    added = await uow.execute(
        ADD_OPERATOR,
        id=operator_id,
        email=email,
        name="Operator",
        password_hash=password_hash,
        is_operator=True,
        now=now,
    )
    return added == 1


async def find_by_email(database: Database, email: str) -> Row[Any] | None:
    """Return `id` and `password_hash` of an account."""
    return await database.first(FIND_BY_EMAIL, email=email)


async def add_session(uow: UnitOfWork, *, session_id: UUID, customer_id: UUID, now: datetime) -> None:
    await uow.execute(ADD_SESSION, id=session_id, customer_id=customer_id, now=now)


async def read_session(database: Database, session_id: UUID) -> Row[Any] | None:
    """Return `id`, `customer_id`, `revoked_at` and `is_operator` of a session."""
    return await database.first(READ_SESSION, session_id=session_id)


async def revoke_session(uow: UnitOfWork, *, session_id: UUID, now: datetime) -> bool:
    """End a session; returns False if it had ended before."""
    return await uow.execute(REVOKE_SESSION, session_id=session_id, now=now) == 1


async def revoke_all_sessions(uow: UnitOfWork, *, customer_id: UUID, now: datetime) -> list[UUID]:
    """End every session of a customer; returns the ids of those that were active."""
    rows: Sequence[Row[Any]] = await uow.all(REVOKE_ALL_SESSIONS, customer_id=customer_id, now=now)
    return [row.id for row in rows]


async def add_refresh_token(
    uow: UnitOfWork,
    *,
    token_id: UUID,
    session_id: UUID,
    token_hash: str,
    expires_at: datetime,
) -> None:
    await uow.execute(
        ADD_REFRESH_TOKEN, id=token_id, session_id=session_id, token_hash=token_hash, expires_at=expires_at
    )


async def lock_refresh_token(uow: UnitOfWork, token_hash: str) -> Row[Any] | None:
    """Return the token with its session's `revoked_at` and `customer_id`, locked until the commit."""
    return await uow.first(LOCK_REFRESH_TOKEN, token_hash=token_hash)


async def use_refresh_token(uow: UnitOfWork, *, token_id: UUID, now: datetime) -> None:
    await uow.execute(USE_REFRESH_TOKEN, token_id=token_id, now=now)
