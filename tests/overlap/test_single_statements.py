"""Ten single-statement defects are found by exploration, by every driver; their correct twins are closed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from overbooked.verdicts.verdict import Verdict
from tests.overlap.defects import CASES, Case
from tests.overlap.drivers import DRIVERS
from tests.overlap.ground import ground, verdict_of
from tests.wire.postgres.server import PostgresServer, postgres_server


@pytest.fixture(scope="session")
async def server() -> AsyncIterator[PostgresServer]:
    async with postgres_server() as running:
        yield running


@pytest.mark.parametrize("driver", DRIVERS, ids=lambda driver: driver.name)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_the_defect_is_found_and_replays(server: PostgresServer, case: Case, driver: Any) -> None:
    async with ground(server, case.name, case.defect, driver()) as there:
        explore, judge = there.explore()
        explored = await explore.explore(there.race)
        assert verdict_of(judge) is Verdict.OPEN
        assert explored.violation is not None
        found = explored.violation.ran.trace
        for _ in range(3):
            ran = await explore.run_schedule(there.race, schedule=found.schedule)
            assert ran.trace.shape == found.shape
            assert sum(answer.ok for answer in ran.answers) == 2


@pytest.mark.parametrize("driver", DRIVERS, ids=lambda driver: driver.name)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_the_correct_twin_is_closed(server: PostgresServer, case: Case, driver: Any) -> None:
    async with ground(server, f"{case.name}, twin", case.twin, driver()) as there:
        explore, judge = there.explore()
        explored = await explore.explore(there.race)
        assert verdict_of(judge) is Verdict.CLOSED
        assert explored.exhausted
        assert explored.outcomes <= {("201", "409"), ("409", "201")}
