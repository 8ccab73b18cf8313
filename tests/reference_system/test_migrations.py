"""Upgrades and downgrades of the schema, and the usage message of the command."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import psycopg
import pytest
from alembic.script import ScriptDirectory

from reference_system.booking.platform import domains
from reference_system.migrations.__main__ import config, main
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
    """Return the numbers of the service's tables and routines."""
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
    main(["upgrade", "holds@head"])
    assert 0 < (await counted(empty))[0] < whole[0]
    main(["upgrade"])
    assert await counted(empty) == whole


async def _write(dsn: str, *statements: str) -> None:
    async with await psycopg.AsyncConnection.connect(dsn) as sql:
        for statement in statements:
            await sql.execute(statement.encode())


async def test_a_database_of_the_former_chain_goes_on(empty: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BOOKING_OWNER_URL", empty)
    main(["upgrade"])
    whole = await counted(empty)
    # The state after the former chain: the same schema, one version.
    await _write(empty, "DELETE FROM alembic_version", "INSERT INTO alembic_version VALUES ('0005')")
    main(["upgrade"])
    assert await counted(empty) == whole
    main(["downgrade", "base"])
    assert await counted(empty) == (0, 0)


async def test_a_database_in_the_middle_of_the_former_chain_is_refused(
    empty: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BOOKING_OWNER_URL", empty)
    await _write(
        empty,
        "CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY)",
        "INSERT INTO alembic_version VALUES ('0003')",
    )
    with pytest.raises(SystemExit, match="at revision 0003 of the former chain; upgrade it to 0005"):
        main(["upgrade"])


def test_a_branch_is_named_after_its_domain_and_starts_on_its_own() -> None:
    scripts = ScriptDirectory.from_config(config("postgresql://x"))
    revisions = list(scripts.walk_revisions())
    assert len(revisions) >= 15
    known = {*domains.names(), "platform", "idempotency"}
    for script in revisions:
        domain, _, number = script.revision.rpartition("_")
        assert domain in known, script.revision
        assert Path(script.path).stem == script.revision
        assert script.down_revision == (None if number == "0001" else f"{domain}_{int(number) - 1:04}")
        if number == "0001":
            assert script.branch_labels == {domain}


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
