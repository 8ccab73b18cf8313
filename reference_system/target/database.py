"""One role's connection to the database, opened on first use and reopened after it broke."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal

import asyncpg

from overbooked.targets.errors import TargetError

CONNECT_TIMEOUT_S = 10.0
COMMAND_TIMEOUT_S = 60.0


class Database:
    """A connection that is used by one transaction at a time.

    Args:
        role: its name in messages.
        dsn: its address; empty if the stack gives no such access.
    """

    def __init__(self, role: str, dsn: str) -> None:
        self._role = role
        self._dsn = dsn
        self._connection: asyncpg.Connection | None = None
        self._turn = asyncio.Lock()

    @asynccontextmanager
    async def transaction(self, *, readonly: bool = False) -> AsyncIterator[asyncpg.Connection]:
        """Run a transaction; a read-only one uses a single snapshot.

        Raises:
            TargetError: there is no such access, or the connection failed.
        """
        async with self._turn:
            connection = await self._connected()
            isolation: Literal["repeatable_read", "read_committed"] = (
                "repeatable_read" if readonly else "read_committed"
            )
            try:
                async with connection.transaction(isolation=isolation, readonly=readonly):
                    yield connection
            except (OSError, asyncpg.InterfaceError, asyncpg.PostgresError) as error:
                raise TargetError(f"the database, as {self._role}, failed: {error!r}") from error

    async def close(self) -> None:
        """Close the connection; safe to repeat."""
        connection, self._connection = self._connection, None
        if connection is not None and not connection.is_closed():
            connection.terminate()

    async def _connected(self) -> asyncpg.Connection:
        if self._connection is not None and not self._connection.is_closed():
            try:
                await self._connection.execute("SELECT 1")
                return self._connection
            except (OSError, asyncpg.InterfaceError, asyncpg.PostgresError):
                self._connection.terminate()
        if not self._dsn:
            raise TargetError(f"this stack gives no access to the database as {self._role}")
        try:
            self._connection = await asyncpg.connect(
                self._dsn, timeout=CONNECT_TIMEOUT_S, command_timeout=COMMAND_TIMEOUT_S
            )
        except (OSError, TimeoutError, asyncpg.PostgresError) as error:
            raise TargetError(f"the database cannot be reached as {self._role}: {error!r}") from error
        return self._connection
