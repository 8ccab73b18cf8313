"""The database: pooled connections, the unit of work, and the one place where it commits.

`Database.run` is the only way to write: one transaction a call, committed before it returns.
What it is given may run more than once (a deadlock, a lock that took too long, a connection that
broke before the commit), so it does nothing but talk to the database.
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

from reference_system.booking import db_dialect
from reference_system.booking.db_errors import (
    Conflict,
    DatabaseFailed,
    Disconnected,
    OutcomeUnknown,
    TooSlow,
    Unavailable,
    translate,
)
from reference_system.booking.settings import Settings

T = TypeVar("T")
MAX_CONFLICTS = 5

_FOREIGN = (SQLAlchemyError, OSError, TimeoutError)


class UnitOfWork:
    """One transaction: begun by its first statement, ended by whoever opened it.

    Statements are SQL text with `:name` parameters.
    """

    __slots__ = ("_connection", "_failed", "commit_sent", "database")

    def __init__(self, database: Database, connection: AsyncConnection) -> None:
        self.database = database
        self.commit_sent = False
        self._connection = connection
        self._failed = False

    async def execute(self, sql: str, **parameters: Any) -> int:
        """Run a statement; returns how many rows it touched."""
        return (await self._run(sql, parameters)).rowcount

    async def first(self, sql: str, **parameters: Any) -> Row[Any] | None:
        """The first row, or None."""
        return (await self._run(sql, parameters)).first()

    async def one(self, sql: str, **parameters: Any) -> Row[Any]:
        """The only row; raises SQLAlchemy's NoResultFound or MultipleResultsFound otherwise."""
        return (await self._run(sql, parameters)).one()

    async def all(self, sql: str, **parameters: Any) -> Sequence[Row[Any]]:
        """Every row."""
        return (await self._run(sql, parameters)).all()

    @asynccontextmanager
    async def savepoint(self) -> AsyncIterator[None]:
        """What fails inside is undone alone, and the transaction can go on; the error is raised."""
        async with self._connection.begin_nested():
            try:
                yield
            finally:
                self._failed = False

    async def commit(self) -> None:
        """Make it durable. Only `Database.run` calls this.

        Raises OutcomeUnknown when the answer to the commit was lost.
        """
        if self._failed:
            # PostgreSQL would answer a COMMIT now with a rollback, and no error.
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
        """Do `work` in one transaction and commit it, or raise and leave no trace.

        Tried again: a bounded number of times after a deadlock or serialization failure, for a
        bounded time after a lock that was not to be had, and once after a connection that broke
        before the commit.

        Raises:
            Unavailable: the database does not answer (nothing took effect), or with its subclass
                OutcomeUnknown, it fell silent during the commit.
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
                    raise Unavailable(f"not done in time, over and again: {error}") from error
            except Disconnected:
                if reconnected or (uow is not None and uow.commit_sent):
                    raise
                reconnected = True

    async def first(self, sql: str, **parameters: Any) -> Row[Any] | None:
        """The first row of a read of one statement, outside any transaction; or None."""
        return next(iter(await self.all(sql, **parameters)), None)

    async def all(self, sql: str, **parameters: Any) -> Sequence[Row[Any]]:
        """Every row of a read of one statement, outside any transaction. Never for writes: a
        connection that breaks is replaced, and the statement run again."""
        try:
            return await self._read(sql, parameters)
        except Disconnected:
            return await self._read(sql, parameters)

    async def _read(self, sql: str, parameters: dict[str, Any]) -> Sequence[Row[Any]]:
        async with _connected(self._reading) as connection:
            return await UnitOfWork(self, connection).all(sql, **parameters)

    def connections_open(self) -> int:
        """Connections to the server, in use and idle."""
        return self._pool.checkedin() + self._pool.checkedout()

    def connections_in_use(self) -> int:
        """Connections that a request or a job has in hand."""
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
            await connection.close()  # rolls back what was not committed
        except _FOREIGN as error:
            await _abandon(connection)
            if isinstance(error, SQLAlchemyError) and translate(error) is None:
                raise


async def _abandon(connection: AsyncConnection) -> None:
    """Drop a connection that no longer answers, without the courtesy of a farewell."""
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
        # The connection used last has its statements prepared.
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
