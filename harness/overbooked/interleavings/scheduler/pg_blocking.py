"""Queries PostgreSQL over a separate connection which backends block another.

A released statement that waits for a lock of a held actor never answers. A timeout cannot distinguish waiting
from slow execution, so PostgreSQL is queried (`pg_blocking_pids`).
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
# With a minimal timeout the victim of a deadlock does not depend on how long a statement was held.
_SOON = ("ALTER SYSTEM SET deadlock_timeout = '1ms'", "SELECT pg_reload_conf()")
_AS_IT_WAS = ("ALTER SYSTEM RESET deadlock_timeout", "SELECT pg_reload_conf()")
_CONNECT_S = 5.0
_ASK_S = 5.0


class LockInspector(Protocol):
    """Reports which backends block another."""

    @property
    def finds_deadlocks_at_once(self) -> bool:
        """Whether a deadlock always aborts the transaction that closes the cycle."""

    async def blockers(self, pid: int) -> Sequence[int]:
        """Return the backends whose locks, held or requested earlier, `pid` waits for; empty: none."""

    async def describe(self, pids: Sequence[int]) -> str:
        """Return a description of these backends, for messages."""


class PgLockInspector:
    """A `LockInspector` that queries PostgreSQL; opened and used in the relay's thread.

    Args:
        dsn: the URL of the database with a role that may see other sessions, ideally a superuser, which may
            also lower deadlock_timeout.
    """

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._connection: asyncpg.Connection[Any] | None = None
        self._ask: Any = None
        self.finds_deadlocks_at_once = False

    async def open(self) -> None:
        """Connect, prepare the query, and lower deadlock_timeout to 1 ms if the role has the privilege.

        Raises:
            StackError: the connection failed.
        """
        try:
            connection = await asyncpg.connect(self._dsn, timeout=_CONNECT_S, command_timeout=_ASK_S)
        except (OSError, asyncpg.PostgresError, TimeoutError) as error:
            raise StackError(
                f"the explorer cannot query lock waits in the database: {error!r}", part="postgres"
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
        """Restore the setting and disconnect; idempotent."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        try:
            if self.finds_deadlocks_at_once and not connection.is_closed():
                for statement in _AS_IT_WAS:
                    await connection.execute(statement)
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError):
            pass  # the server is gone, so there is no setting to restore
        finally:
            connection.terminate()

    async def blockers(self, pid: int) -> Sequence[int]:
        """See `LockInspector`; raises StackError if the query fails."""
        try:
            return cast("Sequence[int]", await self._ask.fetchval(pid))
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError) as error:
            raise StackError(
                f"querying which backends block {pid} failed: {error!r}", part="postgres"
            ) from error

    async def describe(self, pids: Sequence[int]) -> str:
        """See `LockInspector`."""
        if self._connection is None:
            return ", ".join(map(str, pids))
        rows = await self._connection.fetch(_WHO, list(pids))
        said = {
            row["pid"]: f"{row['pid']} ({row['application'] or 'unnamed'}, {row['state']}: {row['query']})"
            for row in rows
        }
        return "; ".join(said.get(pid, f"{pid} (gone)") for pid in pids)
