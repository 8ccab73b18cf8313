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
    """What an access token says, once its signature is checked."""

    customer_id: UUID
    session_id: UUID
    expires_at: datetime


def access_token(*, customer_id: UUID, session_id: UUID, now: datetime, ttl_s: float, secret: str) -> str:
    """A signed access token for a session, good until `now` plus `ttl_s`."""
    claims = {
        "sub": str(customer_id),
        "sid": str(session_id),
        "iat": int(now.timestamp()),
        "exp": int((now + timedelta(seconds=ttl_s)).timestamp()),
    }
    return jwt.encode(claims, secret, algorithm=ALGORITHM)


def read_access(token: str, *, secret: str) -> AccessClaims | None:
    """The claims of a token with a right signature, else None. Its expiry is the caller's to check,
    by the service's clock."""
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
    """Whether the token's time is over."""
    return now >= claims.expires_at


def refresh_token() -> str:
    """A new refresh token."""
    return secrets.token_urlsafe(32)


def hash_of(refresh: str) -> str:
    """What is kept of a refresh token: it is random, so a plain hash does."""
    return hashlib.sha256(refresh.encode()).hexdigest()
