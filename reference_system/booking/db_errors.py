"""What can go wrong with the database, in the service's own words.

Driver and pool errors are translated once, here; nothing above sees SQLAlchemy's or asyncpg's.
"""

from __future__ import annotations

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError


class DatabaseFailed(Exception):
    """Anything below that stopped a statement or a transaction."""


class ConstraintViolated(DatabaseFailed):
    """A constraint of the schema refused a change; `constraint` is its name."""

    def __init__(self, message: str, *, constraint: str, sqlstate: str) -> None:
        super().__init__(message)
        self.constraint = constraint
        self.sqlstate = sqlstate


class Conflict(DatabaseFailed):
    """A deadlock or a serialization failure: the transaction can be tried again."""


class TooSlow(DatabaseFailed):
    """The server gave up on a statement, which mostly waited for a lock: the transaction is undone
    and can be tried again."""


class Unavailable(DatabaseFailed):
    """The database does not answer; nothing of the transaction took effect."""


class Disconnected(Unavailable):
    """The connection broke before the commit; on a fresh one it can be tried again."""


class OutcomeUnknown(Unavailable):
    """The connection broke or stalled during the commit: it may have taken effect."""


_RETRY = frozenset({"40001", "40P01"})
# Cancelled by statement_timeout or by hand; a lock was not available.
_TOO_SLOW = frozenset({"57014", "55P03"})
# Shutting down, crashed, starting up, too many connections, idle in transaction for too long.
_UNAVAILABLE = frozenset({"57P01", "57P02", "57P03", "53300", "25P03"})
_INTEGRITY_CLASS = "23"


def translate(error: BaseException, *, broken: bool = False) -> DatabaseFailed | None:
    """The family member for a driver's error, or None when it is a mistake of ours.

    Args:
        error: what SQLAlchemy, its pool or asyncpg raised.
        broken: whether the connection was lost with it.
    """
    message = str(getattr(error, "orig", error)).splitlines()[0] if str(error) else type(error).__name__
    if isinstance(error, PoolTimeoutError):
        return Unavailable("no connection became free in time")
    if isinstance(error, TimeoutError):
        return Unavailable("the database did not answer in time")
    if isinstance(error, OSError):
        return Disconnected(message)
    if not isinstance(error, DBAPIError):
        return Disconnected(message) if broken else None
    cause = error.orig.__cause__ if error.orig is not None else None
    sqlstate = str(getattr(cause, "sqlstate", None) or "")
    if sqlstate.startswith(_INTEGRITY_CLASS):
        constraint = str(getattr(cause, "constraint_name", None) or "")
        return ConstraintViolated(message, constraint=constraint, sqlstate=sqlstate)
    if sqlstate in _RETRY:
        return Conflict(message)
    if sqlstate in _TOO_SLOW:
        return TooSlow(message)
    if broken or error.connection_invalidated or sqlstate.startswith("08"):
        return Disconnected(message)
    if sqlstate in _UNAVAILABLE:
        return Unavailable(message)
    return None
