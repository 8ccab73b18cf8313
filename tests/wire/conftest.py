"""A PostgreSQL for the tests of the gate, started on first use."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from overbooked.wire.gate.boundary import WireProtocol
from overbooked.wire.link import RelayLink
from overbooked.wire.relay import Relays
from tests.wire.postgres.server import PostgresServer, postgres_server
from tests.wire.sansio import Keeper


@pytest.fixture(scope="session")
async def postgres() -> AsyncIterator[PostgresServer]:
    async with postgres_server() as running:
        yield running


@pytest.fixture
def keeper() -> Keeper:
    """Return a keeper that decides nothing by itself."""
    return Keeper()


@pytest.fixture
def gated(postgres: PostgresServer) -> Iterator[RelayLink]:
    """A link to that PostgreSQL, with no keeper yet."""
    relays = Relays()
    yield relays.open("app->postgres", upstream=postgres.address, protocol=WireProtocol.POSTGRES)
    relays.close()


@pytest.fixture
def dsn(postgres: PostgresServer, gated: RelayLink) -> str:
    """The superuser's URL through the gate."""
    return postgres.dsn(gated.address)
