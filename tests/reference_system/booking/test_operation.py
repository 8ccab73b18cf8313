"""Operation: jobs, control plane, health, metrics, audit, OpenAPI, errors."""

from __future__ import annotations

import asyncio
import json
import logging
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
import structlog

from reference_system.booking.bookings import service as bookings
from reference_system.booking.holds import service as holds
from reference_system.booking.holds import store as hold_store
from reference_system.booking.platform import jobs, logs
from reference_system.booking.platform.db import UnitOfWork
from reference_system.booking.platform.jobs import Registered
from reference_system.booking.platform.problems import Problem
from reference_system.booking.platform.runtime import Runtime
from tests.reference_system import house as houses
from tests.reference_system.booking.test_schema import add_checkout
from tests.reference_system.house import House, Person
from tests.reference_system.servers import Servers

Connection = psycopg.AsyncConnection[Any]


@pytest.fixture
async def ana(house: House) -> Person:
    return await house.person()


async def hold(house: House, owner: Connection, who: Person, slot: str, *, ttl_s: float) -> UUID:
    """Create an open checkout of `who` with a hold."""
    checkout = UUID(await add_checkout(owner, slot, who.id))
    now = await house.runtime.clock.now()

    async def work(uow: UnitOfWork) -> None:
        await holds.take(
            uow, slot_id=UUID(slot), customer_id=UUID(who.id), checkout_id=checkout, now=now, ttl_s=ttl_s
        )

    await house.runtime.database.run(work)
    return checkout


class TestHolds:
    async def test_take_a_place_until_the_job_ends_them(
        self, house: House, owner: Connection, ana: Person
    ) -> None:
        slot = await house.slot()
        gone = await hold(house, owner, ana, slot, ttl_s=-1)
        assert (await house.book(ana, slot)).json()["type"] == "sold-out"
        await house.run_job("expire_holds")
        assert await house.places(slot) == (1, 0)
        found = await owner.execute("SELECT state FROM checkouts WHERE id = %s", (gone,))
        assert await found.fetchone() == ("expired",)

    async def test_that_still_live_stay(self, house: House, owner: Connection, ana: Person) -> None:
        slot = await house.slot()
        await hold(house, owner, ana, slot, ttl_s=60)
        await house.run_job("expire_holds")
        assert await house.places(slot) == (1, 1)

    @pytest.mark.parametrize("state", ["paying", "processing"])
    async def test_of_a_checkout_that_is_being_paid_for_stay(
        self, house: House, owner: Connection, ana: Person, state: str
    ) -> None:
        slot = await house.slot()
        checkout = await hold(house, owner, ana, slot, ttl_s=-1)
        await owner.execute("UPDATE checkouts SET state = %s WHERE id = %s", (state, checkout))
        await house.run_job("expire_holds")
        assert await house.places(slot) == (1, 1)
        # So that jobs in other tests do not find it.
        await owner.execute("UPDATE checkouts SET state = 'failed' WHERE id = %s", (checkout,))

    async def test_are_ended_once_by_jobs_of_several_processes(
        self, house: House, other_house: House, owner: Connection, ana: Person
    ) -> None:
        slot = await house.slot(capacity=5)
        for _ in range(5):
            await hold(house, owner, ana, slot, ttl_s=-1)
        reports = await asyncio.gather(*(h.run_job("expire_holds") for h in [house, other_house] * 2))
        assert sum(report["expired"] for report in reports) == 5
        assert await house.places(slot) == (5, 0)

    async def test_are_refused_when_the_slot_is_sold_out(
        self, house: House, owner: Connection, ana: Person
    ) -> None:
        slot = await house.slot()
        await house.booked(ana, slot)
        with pytest.raises(Problem, match="Every place"):
            await hold(house, owner, ana, slot, ttl_s=60)

    async def test_give_their_place_to_the_booking_that_was_paid_for(
        self, house: House, owner: Connection, ana: Person
    ) -> None:
        slot = await house.slot()
        checkout = await hold(house, owner, ana, slot, ttl_s=60)
        now = datetime.now(UTC)

        async def work(uow: UnitOfWork) -> None:
            assert await holds.release(uow, checkout_id=checkout, now=now)
            await bookings.confirm(
                uow, slot_id=UUID(slot), customer_id=UUID(ana.id), checkout_id=checkout, now=now
            )

        await house.runtime.database.run(work)
        assert await house.places(slot) == (1, 1)
        row = await hold_store.read_hold(house.runtime.database, checkout)
        assert row is not None
        assert row.released_at == now


class TestJobs:
    async def test_run_by_their_timers(self, servers: Servers, monkeypatch: pytest.MonkeyPatch) -> None:
        ran = asyncio.Event()
        runs = 0

        async def tick(runtime: Runtime) -> jobs.Report:
            nonlocal runs
            runs += 1
            if runs == 1:
                raise LookupError("a job that fails is run again")
            ran.set()
            return {}

        monkeypatch.setattr(f"{__name__}.tick", tick, raising=False)
        monkeypatch.setattr(jobs, "_registered", {"tick": Registered("tick", __name__, "tick", 0.01)})
        settings = houses.settings(servers.dsns["app"], servers.redis_url, timers=True)
        async with houses.opened(settings):
            async with asyncio.timeout(5):
                await ran.wait()

    async def test_have_a_name_each(self) -> None:
        with pytest.raises(LookupError, match="two jobs are called expire_holds"):
            jobs.register("expire_holds", every_s=1)(lambda runtime: asyncio.sleep(0, {}))

    async def test_that_do_not_exist_are_not_found(self, house: House) -> None:
        answer = await house.http.post("/_control/jobs/nothing")
        assert (answer.status_code, answer.json()["type"]) == (404, "not-found")
        assert "expire_holds" in answer.json()["jobs"]
        assert answer.json()["jobs"] == (await house.http.get("/_control/jobs")).json()


class TestTheControlPlane:
    async def test_moves_the_clock_of_every_process(self, clock: House, other_house: House) -> None:
        await clock.move_clock(86_400)
        for house in (clock, other_house):
            now = await house.runtime.clock.now()
            assert timedelta(hours=23) < now - datetime.now(UTC) < timedelta(hours=25)

    async def test_is_not_there_unless_a_setting_allows_it(self, servers: Servers) -> None:
        settings = houses.settings(servers.dsns["app"], servers.redis_url, control=False)
        async with houses.opened(settings) as house:
            assert (await house.http.post("/_control/clock", json={"offset_s": 1})).status_code == 404
            assert not [path for path in house.app.openapi()["paths"] if path.startswith("/_control")]

    async def test_without_it_the_clock_is_real_time_whatever_the_database_says(
        self, clock: House, servers: Servers
    ) -> None:
        await clock.move_clock(86_400)
        settings = houses.settings(servers.dsns["app"], servers.redis_url, control=False)
        async with houses.opened(settings) as house:
            assert abs(await house.runtime.clock.now() - datetime.now(UTC)) < timedelta(seconds=10)

    async def test_counts_what_the_process_did(self, house: House, ana: Person) -> None:
        name = "booking_http_requests_total{method=POST}{route=/bookings}{status=201}"
        before = (await house.http.get("/_control/counters")).json().get(name, 0)
        await house.booked(ana, await house.slot())
        after = (await house.http.get("/_control/counters")).json()
        assert after[name] == before + 1
        assert after["db_connections_open"] >= 1


class TestHealthAndMetrics:
    async def test_a_ready_process_says_so(self, house: House) -> None:
        ready = await house.http.get("/health/ready")
        assert (ready.status_code, ready.json()) == (
            200,
            {"status": "ready", "checks": {"database": "ok", "redis": "ok", "operator": "ok"}},
        )

    async def test_metrics_are_prometheus_text(self, house: House) -> None:
        answer = await house.http.get("/metrics")
        assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
        assert "booking_http_request_seconds_bucket" in answer.text


class TestTheAuditTrail:
    async def test_has_each_change_of_a_booking_in_order(self, house: House, ana: Person) -> None:
        booking = await house.booked(ana, await house.slot())
        await house.reschedule(ana, booking, await house.slot())
        await house.cancel(ana, booking)
        query = f"/audit?entity=booking&entity_id={booking}"
        rows = (await house.http.get(query, headers=(await house.operator()).headers)).json()
        assert [(row["action"], row["actor"]) for row in rows] == [
            ("booked", ana.id),
            ("rescheduled", ana.id),
            ("cancelled", ana.id),
        ]
        rest = await house.http.get(
            f"{query}&after={rows[0]['id']}", headers=(await house.operator()).headers
        )
        assert rest.json() == rows[1:]

    async def test_has_nothing_of_what_was_refused(self, house: House, ana: Person) -> None:
        operator = await house.operator()
        slot = await house.slot()
        await house.booked(ana, slot)
        before = (await house.http.get("/audit?limit=1000&entity=booking", headers=operator.headers)).json()
        await house.book(ana, slot)
        after = (await house.http.get("/audit?limit=1000&entity=booking", headers=operator.headers)).json()
        assert after == before


class TestAnswers:
    async def test_carry_the_requests_id(self, house: House) -> None:
        answer = await house.http.get("/health/live", headers={"X-Request-Id": "mine"})
        assert answer.headers["x-request-id"] == "mine"
        assert len((await house.http.get("/health/live")).headers["x-request-id"]) == 32

    @pytest.mark.parametrize(
        ("method", "path", "status"), [("GET", "/nowhere", 404), ("PUT", "/bookings", 405)]
    )
    async def test_to_what_there_is_no_route_for_are_problems_too(
        self, house: House, method: str, path: str, status: int
    ) -> None:
        answer = await house.http.request(method, path)
        assert (answer.status_code, answer.json()["status"]) == (status, status)
        assert answer.headers["content-type"] == "application/problem+json"

    async def test_to_a_bug_are_problems_that_say_nothing_of_it(
        self, house: House, ana: Person, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def broken(*_: object, **__: object) -> None:
            raise LookupError("a secret")

        monkeypatch.setattr(bookings, "book", broken)
        answer = await house.book(ana, await house.slot())
        assert (answer.status_code, answer.json()) == (
            500,
            {"type": "internal-error", "title": "Something is wrong with the service", "status": 500},
        )

    async def test_to_a_bodys_that_is_no_json_are_problems(self, house: House, ana: Person) -> None:
        answer = await house.http.post("/bookings", content=b"{", headers=ana.headers)
        assert (answer.status_code, answer.json()["type"]) == (422, "invalid-request")


class TestTheOpenApiDocument:
    async def test_describes_every_operation_with_its_problems(self, house: House) -> None:
        document = (await house.http.get("/openapi.json")).json()
        operations = [
            (path, operation) for path, methods in document["paths"].items() for operation in methods.values()
        ]
        ids = [operation["operationId"] for _, operation in operations]
        assert len(ids) == len(set(ids))
        for path, operation in operations:
            assert operation["summary"], path
            assert operation.get("description"), path
            assert any(status.startswith("2") for status in operation["responses"]), path
            if "security" in operation:
                assert "401" in operation["responses"], path

    async def test_refers_only_to_what_it_has(self, house: House) -> None:
        document = (await house.http.get("/openapi.json")).json()
        references = {
            part.split('"')[0] for part in json.dumps(document).split('"$ref": "#/components/schemas/')[1:]
        }
        assert references <= set(document["components"]["schemas"])
        assert "HTTPValidationError" not in document["components"]["schemas"]

    async def test_says_where_answers_are_replayed(self, house: House) -> None:
        book = (await house.http.get("/openapi.json")).json()["paths"]["/bookings"]["post"]
        assert [p["name"] for p in book["parameters"]] == ["Idempotency-Key"]
        assert "Idempotent-Replayed" in book["responses"]["409"]["headers"]


def test_logs_are_a_json_object_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    root = logging.getLogger()
    before, level, configured = root.handlers, root.level, structlog.get_config()
    try:
        logs.configure("info")
        logging.getLogger("somebody.elses").warning("watch %s", "out")
        line = json.loads(capsys.readouterr().err)
    finally:
        root.handlers, root.level = before, level
        structlog.configure(**configured)
    assert (line["event"], line["level"], line["logger"]) == ("watch out", "warning", "somebody.elses")


async def test_an_unknown_slot_cannot_be_confirmed(house: House, ana: Person) -> None:
    async def work(uow: UnitOfWork) -> None:
        await bookings.confirm(
            uow, slot_id=uuid4(), customer_id=UUID(ana.id), checkout_id=uuid4(), now=datetime.now(UTC)
        )

    with pytest.raises(Problem, match="no such slot"):
        await house.runtime.database.run(work)
