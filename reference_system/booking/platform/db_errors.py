"""Database errors as the service handles them.

Errors of SQLAlchemy, its pool and asyncpg are translated here, so no caller handles them.
"""

from __future__ import annotations

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError


class DatabaseFailed(Exception):
    """Base class: a statement or a transaction failed."""


class ConstraintViolated(DatabaseFailed):
    """A constraint of the schema refused a change; `constraint` is its name."""

    def __init__(self, message: str, *, constraint: str, sqlstate: str) -> None:
        super().__init__(message)
        self.constraint = constraint
        self.sqlstate = sqlstate


class Conflict(DatabaseFailed):
    """A deadlock or a serialization failure: the transaction can be retried."""


class TooSlow(DatabaseFailed):
    """The server cancelled a statement, which usually waited for a lock: the transaction is rolled back
    and can be retried."""


class Unavailable(DatabaseFailed):
    """The database does not answer; nothing of the transaction took effect."""


class Disconnected(Unavailable):
    """The connection broke before the commit; the transaction can be retried on a new one."""


class OutcomeUnknown(Unavailable):
    """The connection broke or stalled during the commit: it may have taken effect."""


_RETRY = frozenset({"40001", "40P01"})
# SQLSTATEs: cancelled by statement_timeout or by hand; lock not available.
_TOO_SLOW = frozenset({"57014", "55P03"})
# SQLSTATEs: shutting down, crashed, starting up, too many connections, idle in transaction for too long.
_UNAVAILABLE = frozenset({"57P01", "57P02", "57P03", "53300", "25P03"})
_INTEGRITY_CLASS = "23"


def translate(error: BaseException, *, broken: bool = False) -> DatabaseFailed | None:
    """Translate a driver's error into one of this module; None if it is a bug of the service.

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
