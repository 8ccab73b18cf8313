"""Random walk and PCT say "sampled" with their seed, never "exhausted"; their findings replay and shrink."""

from __future__ import annotations

from collections.abc import AsyncIterator

import asyncpg
import pytest

from overbooked.errors import HarnessError
from overbooked.interleavings.strategies.sampling import Sampling
from overbooked.verdicts.means import said_of
from overbooked.verdicts.verdict import Verdict
from tests.interleavings.test_explorer import hall, lock_then_look, look_then_leap
from tests.wire.postgres.server import PostgresServer, postgres_server


@pytest.fixture(scope="module")
async def database() -> AsyncIterator[PostgresServer]:
    async with postgres_server() as server:
        connection = await asyncpg.connect(server.dsn(), ssl=False)
        await connection.execute("CREATE TABLE seats (slot text PRIMARY KEY, taken int NOT NULL)")
        await connection.execute("CREATE TABLE bookings (slot text NOT NULL, at timestamptz DEFAULT now())")
        await connection.close()
        yield server


@pytest.mark.parametrize(
    ("sampling", "said"),
    [
        (Sampling("random", 12, seed=7), "2 actors sampled by random walk, seed 7 (12 schedules)"),
        (Sampling("pct", 12, seed=7, depth=2), "2 actors sampled by PCT of depth 2, seed 7 (12 schedules)"),
    ],
    ids=["random", "pct"],
)
async def test_a_healthy_system_is_sampled_and_never_exhausted(
    database: PostgresServer, sampling: Sampling, said: str
) -> None:
    async with hall(database, lock_then_look) as there:
        there.explore._sampling = sampling
        explored = await there.explore.explore(there.race())
        (result,) = there.judge.conclude(None)
    assert not explored.exhausted
    assert result.verdict is Verdict.CLOSED
    assert said_of(result.exercises).startswith(said)
    (note,) = result.notes["interleavings"]
    assert (note["strategy"], note["exhausted"]) == (str(sampling), False)


@pytest.mark.parametrize("name", ["random", "pct"])
async def test_a_finding_replays_and_is_shrunk(database: PostgresServer, name: str) -> None:
    async with hall(database, look_then_leap) as there:
        there.explore._sampling = Sampling(name, 60, seed=3)
        explored = await there.explore.explore(there.race())
        (result,) = there.judge.conclude(None)
        assert result.verdict is Verdict.OPEN
        assert explored.violation is not None
        trace = explored.violation.ran.trace
        assert trace.preemptions == 1, "one preemption is enough, and the shrinker finds that"
        for _ in range(3):
            ran = await there.explore.run_schedule(there.race(), schedule=trace.schedule)
            assert ran.trace.shape == trace.shape


async def test_a_sample_that_is_cut_short_closes_nothing(database: PostgresServer) -> None:
    async with hall(database, lock_then_look) as there:
        there.explore._sampling = Sampling("random", 100, seed=7)
        there.explore._ask = lambda _: 0.0
        with pytest.raises(
            HarnessError, match=r"of 100 schedules were sampled .* there was no time for more"
        ):
            await there.explore.explore(there.race())
        (result,) = there.judge.conclude(None)
    assert result.verdict is Verdict.INCONCLUSIVE
