"""The service with a provider; both are shared by a test module."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.reference_system import house as houses
from tests.reference_system.booking.money.till import Till
from tests.reference_system.payment_provider import process
from tests.reference_system.payment_provider.process import Provider
from tests.reference_system.servers import Servers


@pytest.fixture(scope="session")
async def provider(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Provider]:
    async with process.running(Path(tmp_path_factory.mktemp("provider"))) as running:
        yield running


@pytest.fixture(scope="session")
async def open_till(servers: Servers, provider: Provider) -> AsyncIterator[Till]:
    settings = houses.settings(
        servers.dsns["app"],
        servers.redis_url,
        provider_url=provider.url,
        provider_key=process.KEY,
        webhook_secret=process.WEBHOOK_SECRET,
        provider_timeout_s=1,
    )
    async with houses.opened(settings) as house:
        yield Till(house, provider)


@pytest.fixture
async def till(open_till: Till) -> AsyncIterator[Till]:
    """The service and its provider; clocks and modes are reset afterwards."""
    yield open_till
    await open_till.provider.control("/refunds/mode", mode="instant")
    await open_till.move_clock(0)
