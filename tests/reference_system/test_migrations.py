"""The schema goes up and down again, and its command says what it wants."""

from __future__ import annotations

from collections.abc import AsyncIterator
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import psycopg
import pytest

from reference_system.migrations.__main__ import main
from tests.reference_system.servers import Servers

TABLES = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version'"
ROUTINES = "SELECT count(*) FROM pg_proc WHERE pronamespace = 'public'::regnamespace"


def on(dsn: str, database: str) -> str:
    return urlunsplit(urlsplit(dsn)._replace(path=f"/{database}"))


@pytest.fixture
async def empty(servers: Servers) -> AsyncIterator[str]:
    """The owner's URL of a database without a schema."""
    name = f"empty_{uuid4().hex}"
    async with await psycopg.AsyncConnection.connect(servers.dsns["admin"], autocommit=True) as admin:
        await admin.execute(f"CREATE DATABASE {name} OWNER booking_owner TEMPLATE template0")
        yield on(servers.dsns["owner"], name)
        await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


async def counted(dsn: str) -> tuple[int, int]:
    """Tables and routines of ours."""
    async with await psycopg.AsyncConnection.connect(dsn) as sql:
        found = [await (await sql.execute(query)).fetchone() for query in (TABLES, ROUTINES)]
        return tuple(row[0] if row else 0 for row in found)  # type: ignore[return-value]


async def test_every_revision_goes_up_down_and_up_again(empty: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BOOKING_OWNER_URL", empty)
    main(["upgrade"])
    whole = await counted(empty)
    assert whole[0] > 20
    main(["upgrade"])
    main(["downgrade", "base"])
    assert await counted(empty) == (0, 0)
    main(["upgrade", "0003"])
    main(["upgrade"])
    assert await counted(empty) == whole


@pytest.mark.parametrize(
    ("url", "arguments", "said"),
    [
        ("", ["upgrade"], "set BOOKING_OWNER_URL"),
        ("no url", ["upgrade"], "is no URL"),
        ("postgresql://x", ["sideways"], "usage: "),
    ],
)
def test_the_command_says_what_it_wants(
    monkeypatch: pytest.MonkeyPatch, url: str, arguments: list[str], said: str
) -> None:
    monkeypatch.setenv("BOOKING_OWNER_URL", url)
    with pytest.raises(SystemExit, match=said):
        main(arguments)
