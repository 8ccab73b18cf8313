"""Who waits for whom in the database, asked over a side connection of our own.

A released statement that waits for a lock of a held actor would never answer. PostgreSQL itself says so
(`pg_blocking_pids`); time alone cannot tell waiting from slow.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, cast

import asyncpg

from overbooked.errors import StackError

_BLOCKERS = "SELECT pg_blocking_pids($1)"
_WHO = """
SELECT pid, coalesce(application_name, '') AS application, coalesce(state, backend_type) AS state,
    left(coalesce(query, ''), 120) AS query
FROM pg_stat_activity WHERE pid = ANY($1::int[])
"""
# Which transaction a deadlock kills must not depend on how long a statement was held.
_SOON = ("ALTER SYSTEM SET deadlock_timeout = '1ms'", "SELECT pg_reload_conf()")
_AS_IT_WAS = ("ALTER SYSTEM RESET deadlock_timeout", "SELECT pg_reload_conf()")
_CONNECT_S = 5.0
_ASK_S = 5.0


class Blocking(Protocol):
    """Answers who blocks a backend."""

    @property
    def finds_deadlocks_at_once(self) -> bool:
        """Whether a deadlock always kills the transaction that closes it."""

    async def blockers(self, pid: int) -> Sequence[int]:
        """Backends whose locks, held or awaited before it, `pid` waits for; none: it waits for none."""

    async def describe(self, pids: Sequence[int]) -> str:
        """What these backends are, for people."""


class SideConnection:
    """Asks PostgreSQL; open and used in the relay's thread.

    Args:
        dsn: of a role that may see other sessions; best a superuser, who may also have deadlocks
            found at once.
    """

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._connection: asyncpg.Connection[Any] | None = None
        self._ask: Any = None
        self.finds_deadlocks_at_once = False

    async def open(self) -> None:
        """Connect, prepare, and have deadlocks found after one millisecond where we may.

        Raises:
            StackError: nobody answers there.
        """
        try:
            connection = await asyncpg.connect(self._dsn, timeout=_CONNECT_S, command_timeout=_ASK_S)
        except (OSError, asyncpg.PostgresError, TimeoutError) as error:
            raise StackError(
                f"the explorer cannot ask the database who waits for whom: {error!r}", part="postgres"
            ) from error
        self._connection = connection
        self._ask = await connection.prepare(_BLOCKERS)
        await self._ask.fetchval(0)
        try:
            for statement in _SOON:
                await connection.execute(statement)
            self.finds_deadlocks_at_once = True
        except asyncpg.InsufficientPrivilegeError:
            self.finds_deadlocks_at_once = False

    async def close(self) -> None:
        """Put the setting back and go; safe to repeat."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        try:
            if self.finds_deadlocks_at_once and not connection.is_closed():
                for statement in _AS_IT_WAS:
                    await connection.execute(statement)
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError):
            pass  # a server that is gone has no setting to put back
        finally:
            connection.terminate()

    async def blockers(self, pid: int) -> Sequence[int]:
        """See `Blocking`; raises StackError when the database is gone."""
        try:
            return cast("Sequence[int]", await self._ask.fetchval(pid))
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError) as error:
            raise StackError(
                f"the database did not say who blocks backend {pid}: {error!r}", part="postgres"
            ) from error

    async def describe(self, pids: Sequence[int]) -> str:
        """See `Blocking`."""
        if self._connection is None:
            return ", ".join(map(str, pids))
        rows = await self._connection.fetch(_WHO, list(pids))
        said = {
            row["pid"]: f"{row['pid']} ({row['application'] or 'unnamed'}, {row['state']}: {row['query']})"
            for row in rows
        }
        return "; ".join(said.get(pid, f"{pid} (gone)") for pid in pids)
