"""SQLAlchemy's asyncpg dialect without its queries at every new connection.

A connection is ready after its handshake: no codec look-ups, no version query, no `BEGIN` that
differs after an autocommit read. A connection that no longer answers, or whose `BEGIN` was refused, is
dropped without waiting. JSON columns are read and written as text.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy.dialects import registry
from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg

NAME = "postgresql+booking"


class LeanAsyncpg(PGDialect_asyncpg):
    """For textual SQL on PostgreSQL 15 or newer, at READ COMMITTED or AUTOCOMMIT."""

    supports_statement_cache = True

    def initialize(self, connection: Any) -> None:
        self.server_version_info = (15,)
        self.default_schema_name = "public"
        self.default_isolation_level = "READ COMMITTED"

    def on_connect(self) -> Callable[[Any], None] | None:
        return None

    def set_isolation_level(self, dbapi_connection: Any, level: str) -> None:
        dbapi_connection.set_isolation_level("autocommit" if level == "AUTOCOMMIT" else None)

    def do_terminate(self, dbapi_connection: Any) -> None:
        dbapi_connection.driver_connection.terminate()

    def is_disconnect(self, e: Any, connection: Any, cursor: Any) -> bool:
        gone = super().is_disconnect(e, connection, cursor)  # type: ignore[no-untyped-call]
        return bool(gone) or _thinks_it_has_begun(connection)


def _thinks_it_has_begun(connection: Any) -> bool:
    """Whether asyncpg counts a transaction as begun although its BEGIN failed.

    asyncpg would then send a SAVEPOINT for every later BEGIN of the connection, which the server refuses.
    """
    driver = getattr(connection, "driver_connection", None)
    if driver is None or driver.is_closed() or driver.is_in_transaction():
        return False
    return getattr(driver, "_top_xact", None) is not None


registry.register("postgresql.booking", __name__, LeanAsyncpg.__name__)
