"""Explorations find the isolation anomalies published for PostgreSQL, each with its name."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.overlap.cells import laboratory
from tests.overlap.isolation import CASES, LEVELS, Case
from tests.wire.postgres.server import PostgresServer, postgres_server


@pytest.fixture(scope="session")
async def server() -> AsyncIterator[PostgresServer]:
    async with postgres_server() as running:
        yield running


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_an_anomaly_occurs_where_it_is_published_to(
    server: PostgresServer, case: Case, level: str
) -> None:
    async with laboratory(server) as there:
        cell = await there.explore(case, level)
    assert cell.occurs == (level not in case.prevented)
    if cell.occurs:
        assert case.phenomenon is not None
        assert cell.phenomenon == case.phenomenon.value
    else:
        assert cell.exhausted
