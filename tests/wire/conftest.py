"""A PostgreSQL for the tests of the gate, started when the first of them asks."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.wire.postgres_server import PostgresServer, postgres_server


@pytest.fixture(scope="session")
async def postgres() -> AsyncIterator[PostgresServer]:
    async with postgres_server() as running:
        yield running
