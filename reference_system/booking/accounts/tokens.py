"""Access tokens (JWT, short-lived) and refresh tokens (random, kept as hashes, used once)."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

import jwt

ALGORITHM = "HS256"


@dataclass(frozen=True, slots=True)
class AccessClaims:
    """The claims of an access token with a valid signature."""

    customer_id: UUID
    session_id: UUID
    expires_at: datetime


def access_token(*, customer_id: UUID, session_id: UUID, now: datetime, ttl_s: float, secret: str) -> str:
    """Return a signed access token for a session, valid until `now` plus `ttl_s`."""
    claims = {
        "sub": str(customer_id),
        "sid": str(session_id),
        "iat": int(now.timestamp()),
        "exp": int((now + timedelta(seconds=ttl_s)).timestamp()),
    }
    return jwt.encode(claims, secret, algorithm=ALGORITHM)


def read_access(token: str, *, secret: str) -> AccessClaims | None:
    """Return the claims of a token with a valid signature, else None. The caller checks its expiry with
    the service's clock."""
    try:
        claims = jwt.decode(
            token,
            secret,
            algorithms=[ALGORITHM],
            options={"require": ["sub", "sid", "exp"], "verify_exp": False, "verify_iat": False},
        )
        return AccessClaims(
            UUID(claims["sub"]), UUID(claims["sid"]), datetime.fromtimestamp(int(claims["exp"]), UTC)
        )
    except (jwt.InvalidTokenError, ValueError, TypeError, OverflowError):
        return None


def has_expired(claims: AccessClaims, now: datetime) -> bool:
    """Whether the token has expired."""
    return now >= claims.expires_at


def refresh_token() -> str:
    """A new refresh token."""
    return secrets.token_urlsafe(32)


def hash_of(refresh: str) -> str:
    """The stored hash of a refresh token; it is random, so a plain hash is enough."""
    return hashlib.sha256(refresh.encode()).hexdigest()
