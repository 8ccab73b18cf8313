"""Servers per session; one instance of the service on them, and a second one if needed."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator

import psycopg
import pytest
import structlog

from tests.reference_system import house as houses
from tests.reference_system import servers as running
from tests.reference_system.house import House
from tests.reference_system.servers import Servers


@pytest.fixture(scope="session", autouse=True)
def quiet() -> None:
    """Limit the logs to messages that help with a failed test."""
    structlog.configure(
        processors=[structlog.processors.format_exc_info, structlog.processors.KeyValueRenderer()],
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
    )


@pytest.fixture(scope="session")
async def servers() -> AsyncIterator[Servers]:
    async with running.started() as started:
        yield started


@pytest.fixture(scope="session")
async def house(servers: Servers) -> AsyncIterator[House]:
    async with houses.opened(houses.settings(servers.dsns["app"], servers.redis_url)) as opened:
        yield opened


@pytest.fixture(scope="session")
async def other_house(servers: Servers) -> AsyncIterator[House]:
    """A second instance of the service on the same database."""
    async with houses.opened(houses.settings(servers.dsns["app"], servers.redis_url)) as opened:
        yield opened


@pytest.fixture
async def clock(house: House) -> AsyncIterator[House]:
    """The service; its clock is reset afterwards."""
    yield house
    await house.move_clock(0)


@pytest.fixture
async def app_role(servers: Servers) -> AsyncIterator[psycopg.AsyncConnection]:
    """Direct SQL with the service's own rights."""
    async with await psycopg.AsyncConnection.connect(servers.dsns["app"], autocommit=True) as connection:
        yield connection


@pytest.fixture
async def owner(servers: Servers) -> AsyncIterator[psycopg.AsyncConnection]:
    """Direct SQL as the schema's owner."""
    async with await psycopg.AsyncConnection.connect(servers.dsns["owner"], autocommit=True) as connection:
        yield connection
