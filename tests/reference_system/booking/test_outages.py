"""Answers of the service while PostgreSQL or Redis fail, and the state afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest

from reference_system.booking.health import routes as health
from reference_system.booking.platform import cache as caches
from reference_system.booking.platform.app import create_app
from reference_system.booking.platform.cache import Cache
from reference_system.booking.platform.runtime import Runtime
from tests.reference_system import house as houses
from tests.reference_system import wire as wires
from tests.reference_system.house import House, Person
from tests.reference_system.servers import Servers
from tests.reference_system.wire import Wire


@pytest.fixture
async def wired(servers: Servers) -> AsyncIterator[tuple[Wire, House]]:
    """A service with a wire to its database."""
    async with wires.strung(servers.dsns["app"]) as (wire, url):
        settings = houses.settings(url, servers.redis_url, db_timeout_s=0.5, db_statement_timeout_s=0.3)
        async with houses.opened(settings) as opened:
            yield wire, opened


@pytest.fixture
async def ana(house: House) -> Person:
    return await house.person()


class TestTheDatabase:
    async def test_that_is_silent_makes_requests_unavailable_and_then_comes_back(
        self, wired: tuple[Wire, House], ana: Person
    ) -> None:
        wire, house = wired
        slot = await house.slot()
        wire.silent = True
        refused = await house.book(ana, slot)
        assert (refused.status_code, refused.json()["type"]) == (503, "unavailable")
        assert refused.headers["retry-after"] == "1"
        ready = await house.http.get("/health/ready")
        assert (ready.status_code, ready.json()["status"]) == (503, "unready")
        assert (await house.http.get("/health/live")).status_code == 200
        wire.silent = False
        wire.cut()
        assert (await house.http.get("/health/ready")).status_code == 200
        await house.booked(ana, slot)

    async def test_that_loses_the_answer_to_a_commit_leaves_it_unknown_until_repeated(
        self, wired: tuple[Wire, House], ana: Person
    ) -> None:
        wire, house = wired
        slot = await house.slot(capacity=5)
        key = {"Idempotency-Key": uuid4().hex}
        wire.lose_answer_to = b"COMMIT"
        unknown = await house.book(ana, slot, **key)
        assert (unknown.status_code, unknown.json()["type"]) == (503, "outcome-unknown")
        repeated = await house.book(ana, slot, **key)
        assert repeated.status_code == 201
        assert repeated.headers["idempotent-replayed"] == "true"
        assert await house.places(slot) == (5, 1)

    async def test_that_loses_the_answer_to_a_statement_is_asked_once_more(
        self, wired: tuple[Wire, House], ana: Person
    ) -> None:
        wire, house = wired
        slot = await house.slot(capacity=5)
        await house.booked(ana, slot)
        wire.lose_answer_to = b"INSERT INTO bookings"
        await house.booked(ana, slot)
        assert await house.places(slot) == (5, 2)

    async def test_that_is_not_there_at_the_start_is_waited_for(self, servers: Servers, house: House) -> None:
        async with wires.strung(servers.dsns["app"]) as (wire, url):
            wire.silent = True
            app = create_app(houses.settings(url, servers.redis_url, db_timeout_s=0.2))
            async with app.router.lifespan_context(app):
                runtime: Runtime = app.state.runtime
                checked = await health.check(runtime)
                assert (checked.status, checked.checks["operator"]) == ("unready", "missing")
                wire.silent = False
                wire.cut()
                async with asyncio.timeout(20):
                    await runtime.until_ready()
                assert (await health.check(runtime)).status == "ready"


class TestRedis:
    async def test_that_is_silent_costs_one_time_out_and_nothing_else(
        self, servers: Servers, ana: Person
    ) -> None:
        async with wires.strung(servers.redis_url) as (wire, url):
            settings = houses.settings(servers.dsns["app"], url, redis_timeout_s=0.1)
            async with houses.opened(settings) as house:
                slot = await house.slot(capacity=5)
                wire.silent = True
                await house.booked(ana, slot)
                failures = house.runtime.cache.failures
                await house.booked(ana, slot)
                assert house.runtime.cache.failures == failures
                ready = await house.http.get("/health/ready")
                assert (ready.status_code, ready.json()["status"]) == (200, "degraded")

    async def test_is_asked_again_when_it_has_rested(
        self, servers: Servers, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(caches, "REST_S", 0.0)
        async with wires.strung(servers.redis_url) as (wire, url):
            cache = Cache(url, timeout_s=0.1)
            assert await cache.put("tests:rested", "here", ttl_s=60)
            wire.silent = True
            assert await cache.get("tests:rested") is None
            wire.silent = False
            wire.cut()
            assert await cache.get("tests:rested") == "here"
            await cache.close()

    async def test_that_cut_an_idle_connection_is_not_a_failure(self, servers: Servers) -> None:
        async with wires.strung(servers.redis_url) as (wire, url):
            cache = Cache(url, timeout_s=1)
            assert await cache.put("tests:cut", "here", ttl_s=60)
            wire.cut()
            assert await cache.get("tests:cut") == "here"
            assert cache.failures == 0
            await cache.close()
