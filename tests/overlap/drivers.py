"""Three PostgreSQL clients: asyncpg, psycopg, and psycopg with the simple protocol."""

from __future__ import annotations

import re
from typing import Any

import asyncpg
import psycopg

from tests.overlap.defects import Variant

_PARAMETER = re.compile(r"\$(\d)")
REFUSED = (asyncpg.UniqueViolationError, psycopg.errors.UniqueViolation)


class ByAsyncpg:
    """A pool that prepares: Parse, then Bind, Execute and Sync; a script is a simple Query."""

    name = "asyncpg"

    async def open(self, dsn: str, size: int) -> None:
        self._pool = await asyncpg.create_pool(dsn, min_size=size, max_size=size, ssl=False)

    def close(self) -> None:
        self._pool.terminate()

    async def book(self, variant: Variant, slot: str, who: str) -> bool:
        async with self._pool.acquire() as connection:
            if variant.script:
                done = await connection.execute(_written(variant.sql, slot, who))
                return not done.endswith(" 0")
            if not variant.first:
                return bool(await connection.fetchval(variant.sql, slot, who))
            async with connection.transaction():
                await connection.execute(variant.first, slot)
                return bool(await connection.fetchval(variant.sql, slot, who))


class ByPsycopg:
    """Connections in autocommit; parameters by the extended protocol."""

    name = "psycopg"
    _factory: Any = psycopg.AsyncCursor

    async def open(self, dsn: str, size: int) -> None:
        self._idle = [
            await psycopg.AsyncConnection.connect(
                f"{dsn}?sslmode=disable", autocommit=True, cursor_factory=self._factory
            )
            for _ in range(size)
        ]
        self._all = list(self._idle)

    def close(self) -> None:
        for connection in self._all:
            connection.pgconn.finish()

    async def book(self, variant: Variant, slot: str, who: str) -> bool:
        connection = self._idle.pop()
        try:
            return await self._book(connection, variant, slot, who)
        finally:
            self._idle.append(connection)

    async def _book(self, connection: Any, variant: Variant, slot: str, who: str) -> bool:
        values = {"p1": slot, "p2": who}
        if variant.script:
            cursor = await connection.execute(_written(variant.sql, slot, who))
            while cursor.nextset():
                pass
            return bool(cursor.rowcount)
        if not variant.first:
            return await self._said(connection, variant.sql, values)
        async with connection.transaction():
            await connection.execute(_named(variant.first), {"p1": slot})
            return await self._said(connection, variant.sql, values)

    async def _said(self, connection: Any, sql: str, values: dict[str, str]) -> bool:
        row = await (await connection.execute(_named(sql), values)).fetchone()
        return bool(row and row[0])


class ByPsycopgClientCursor(ByPsycopg):
    """Values are written into the text, which is sent as a simple Query."""

    name = "psycopg, simple protocol"
    _factory = psycopg.AsyncClientCursor


DRIVERS = (ByAsyncpg, ByPsycopg, ByPsycopgClientCursor)


def _named(sql: str) -> str:
    return _PARAMETER.sub(r"%(p\1)s", sql)


def _written(sql: str, slot: str, who: str) -> str:
    return sql.replace("$1", f"'{slot}'").replace("$2", f"'{who}'")
