"""The database: pooled connections, the unit of work, and the one place where it commits.

`Database.run` is the only way to write: one transaction per call, committed before it returns.
Its function may run more than once (after a deadlock, a lock timeout, a connection that broke before the
commit), so it must have no effects outside the database.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import lru_cache
from typing import Any, TypeVar
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from sqlalchemy import CursorResult, Row, TextClause, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool

from reference_system.booking.platform import db_dialect
from reference_system.booking.platform.db_errors import (
    Conflict,
    DatabaseFailed,
    Disconnected,
    OutcomeUnknown,
    TooSlow,
    Unavailable,
    translate,
)
from reference_system.booking.platform.settings import Settings

T = TypeVar("T")
MAX_CONFLICTS = 5

_FOREIGN = (SQLAlchemyError, OSError, TimeoutError)


class UnitOfWork:
    """One transaction: its first statement begins it, the caller that opened it ends it.

    Statements are SQL text with `:name` parameters.
    """

    __slots__ = ("_connection", "_failed", "commit_sent", "database")

    def __init__(self, database: Database, connection: AsyncConnection) -> None:
        self.database = database
        self.commit_sent = False
        self._connection = connection
        self._failed = False

    async def execute(self, sql: str, **parameters: Any) -> int:
        """Run a statement; returns the number of affected rows."""
        return (await self._run(sql, parameters)).rowcount

    async def first(self, sql: str, **parameters: Any) -> Row[Any] | None:
        """Return the first row, or None."""
        return (await self._run(sql, parameters)).first()

    async def one(self, sql: str, **parameters: Any) -> Row[Any]:
        """Return the only row; raises SQLAlchemy's NoResultFound or MultipleResultsFound."""
        return (await self._run(sql, parameters)).one()

    async def all(self, sql: str, **parameters: Any) -> Sequence[Row[Any]]:
        """Return every row."""
        return (await self._run(sql, parameters)).all()

    @asynccontextmanager
    async def savepoint(self) -> AsyncIterator[None]:
        """Roll back only the block if it fails, so that the transaction can continue; the error is raised."""
        async with self._connection.begin_nested():
            try:
                yield
            finally:
                self._failed = False

    async def commit(self) -> None:
        """Commit the transaction. Only `Database.run` calls this.

        Raises OutcomeUnknown if the answer to the commit was lost.
        """
        if self._failed:
            # PostgreSQL would answer COMMIT with a rollback and without an error.
            raise RuntimeError("a statement of this transaction failed, it cannot be committed")
        self.commit_sent = True
        try:
            await self._connection.commit()
        except _FOREIGN as error:
            failed = await self._translated(error)
            if isinstance(failed, Unavailable):
                raise OutcomeUnknown(str(failed)) from error
            raise failed from error

    async def _run(self, sql: str, parameters: dict[str, Any]) -> CursorResult[Any]:
        try:
            return await self._connection.execute(_statement(sql), parameters)
        except _FOREIGN as error:
            self._failed = True
            raise await self._translated(error) from error

    async def _translated(self, error: Exception) -> Exception:
        if isinstance(error, TimeoutError):
            await _abandon(self._connection)
        return translate(error, broken=self._connection.invalidated) or error


class Database:
    """The service's pool of connections to PostgreSQL."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.engine = _engine(settings)
        self._reading = self.engine.execution_options(isolation_level="AUTOCOMMIT")

    async def run(self, work: Callable[[UnitOfWork], Awaitable[T]]) -> T:
        """Run `work` in one transaction and commit it, or raise with nothing changed.

        Retries: a bounded number of times after a deadlock or serialization failure, for a bounded
        time after a lock timeout, and once after a connection that broke before the commit.

        Raises:
            Unavailable: the database does not answer (nothing took effect), or with its subclass
                OutcomeUnknown, it did not answer the commit.
            ConstraintViolated: the schema refused the change.
        """
        give_up = time.monotonic() + self._settings.db_patience_s
        conflicts = 0
        reconnected = False
        while True:
            uow: UnitOfWork | None = None
            try:
                async with _connected(self.engine) as connection:
                    uow = UnitOfWork(self, connection)
                    result = await work(uow)
                    await uow.commit()
                    return result
            except Conflict as error:
                conflicts += 1
                if conflicts > MAX_CONFLICTS:
                    raise Unavailable(f"{conflicts} conflicts in a row: {error}") from error
            except TooSlow as error:
                if time.monotonic() > give_up:
                    raise Unavailable(
                        f"statements timed out until db_patience_s was over: {error}"
                    ) from error
            except Disconnected:
                if reconnected or (uow is not None and uow.commit_sent):
                    raise
                reconnected = True

    async def first(self, sql: str, **parameters: Any) -> Row[Any] | None:
        """Return the first row of a single-statement read outside any transaction, or None."""
        return next(iter(await self.all(sql, **parameters)), None)

    async def all(self, sql: str, **parameters: Any) -> Sequence[Row[Any]]:
        """Return every row of a single-statement read outside any transaction. Not for writes: after a broken
        connection the statement runs again on a new one."""
        try:
            return await self._read(sql, parameters)
        except Disconnected:
            return await self._read(sql, parameters)

    async def _read(self, sql: str, parameters: dict[str, Any]) -> Sequence[Row[Any]]:
        async with _connected(self._reading) as connection:
            return await UnitOfWork(self, connection).all(sql, **parameters)

    def connections_open(self) -> int:
        """The number of connections to the server, in use and idle."""
        return self._pool.checkedin() + self._pool.checkedout()

    def connections_in_use(self) -> int:
        """The number of connections that a request or a job uses now."""
        return self._pool.checkedout()

    @property
    def _pool(self) -> AsyncAdaptedQueuePool:
        pool = self.engine.pool
        assert isinstance(pool, AsyncAdaptedQueuePool)
        return pool

    async def close(self) -> None:
        await self.engine.dispose()


@asynccontextmanager
async def _connected(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    try:
        connection = await engine.connect()
    except _FOREIGN as error:
        raise translate(error) or error from error
    try:
        yield connection
    finally:
        try:
            await connection.close()  # rolls back an open transaction
        except _FOREIGN as error:
            await _abandon(connection)
            if isinstance(error, SQLAlchemyError) and translate(error) is None:
                raise


async def _abandon(connection: AsyncConnection) -> None:
    """Close a connection that no longer answers, without sending a Terminate message."""
    if connection.closed or connection.invalidated:
        return
    pooled = connection.sync_connection.connection if connection.sync_connection else None
    if pooled is not None and pooled.driver_connection is not None:
        pooled.driver_connection.terminate()
    await connection.invalidate()


@lru_cache(maxsize=1024)
def _statement(sql: str) -> TextClause:
    return text(sql)


def _engine(settings: Settings) -> AsyncEngine:
    return create_async_engine(
        _url(settings.database_url),
        pool_size=settings.pool_size,
        max_overflow=settings.pool_overflow,
        pool_timeout=settings.pool_wait_s,
        # The most recently used connection has its statements prepared.
        pool_use_lifo=True,
        connect_args={
            "timeout": settings.db_timeout_s,
            "command_timeout": settings.db_timeout_s,
            "prepared_statement_cache_size": 512,
            "statement_cache_size": 0,
            "server_settings": {
                "application_name": "booking",
                "jit": "off",
                "statement_timeout": f"{int(settings.db_statement_timeout_s * 1000)}ms",
                "idle_in_transaction_session_timeout": f"{int(settings.db_idle_in_transaction_s * 1000)}ms",
            },
        },
    )


def _url(url: str) -> str:
    parts = urlsplit(url)
    query = {("ssl" if name == "sslmode" else name): value for name, value in parse_qsl(parts.query)}
    return urlunsplit((db_dialect.NAME, parts.netloc, parts.path, urlencode(query), ""))


__all__ = ["Database", "DatabaseFailed", "UnitOfWork"]
