"""Measures whether overlap inside the database is found: single-statement defects, and isolation anomalies.

    python -m tests.benchmarks.overlap [--trials N] [--replays N] [--json FILE] [--only statements|isolation]

Each trial is a new exploration with its own seed. A defect must be found in every trial, and the first
schedule that shows it must replay as recorded; a correct twin must be closed in every trial. An isolation
anomaly must occur, under its name, at exactly the levels for which it is published.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from overbooked.verdicts.verdict import Verdict
from tests.overlap.cells import laboratory
from tests.overlap.defects import CASES, Case
from tests.overlap.drivers import DRIVERS
from tests.overlap.ground import ground, verdict_of
from tests.overlap.isolation import CASES as ANOMALIES
from tests.overlap.isolation import LEVELS
from tests.wire.postgres.server import PostgresServer, postgres_server


@dataclass(frozen=True)
class Statements:
    """One defect or twin with one driver."""

    case: str
    driver: str
    twin: bool
    trials: int
    right: int
    replays: int
    replayed: int
    schedules: int
    milliseconds: int

    @property
    def good(self) -> bool:
        return self.right == self.trials and self.replayed == self.replays


@dataclass(frozen=True)
class Anomalies:
    """One anomaly at one level."""

    case: str
    level: str
    reduced: bool
    trials: int
    occurs: int
    published: bool
    named: int
    schedules: int
    milliseconds: int

    @property
    def good(self) -> bool:
        wanted = self.trials if self.published else 0
        return self.occurs == wanted and self.named == wanted


async def statements(
    server: PostgresServer, case: Case, driver: Any, *, twin: bool, trials: int, replays: int
) -> Statements:
    """Explore one variant `trials` times; replay the first finding."""
    variant = case.twin if twin else case.defect
    wanted = Verdict.CLOSED if twin else Verdict.OPEN
    right = replayed = schedules = 0
    begun = time.monotonic()
    took = 0.0
    async with ground(server, f"{case.name}{', twin' if twin else ''}", variant, driver) as there:
        for trial in range(trials):
            explore, judge = there.explore(trial)
            explored = await explore.explore(there.race)
            right += verdict_of(judge) is wanted
            schedules = max(schedules, explored.schedules)
            took = time.monotonic() - begun
            if trial == 0 and explored.violation is not None and not twin:
                trace = explored.violation.ran.trace
                for _ in range(replays):
                    ran = await explore.run_schedule(there.race, schedule=trace.schedule)
                    both = sum(answer.ok for answer in ran.answers) == 2
                    replayed += both and ran.trace.shape == trace.shape
                begun += time.monotonic() - begun - took
    each = int(1000 * (time.monotonic() - begun) / trials)
    done = 0 if twin else replays
    return Statements(case.name, driver.name, twin, trials, right, done, replayed, schedules, each)


async def anomalies(server: PostgresServer, trials: int) -> list[Anomalies]:
    """Explore every cell of the published table, with and without reduction."""
    found = []
    async with laboratory(server) as there:
        for case in ANOMALIES:
            for level in LEVELS:
                for reduced in (True, False):
                    occurs = named = schedules = 0
                    begun = time.monotonic()
                    for trial in range(trials):
                        cell = await there.explore(case, level, seed=trial, reduce=reduced)
                        occurs += cell.occurs
                        right = case.phenomenon is not None and cell.phenomenon == case.phenomenon.value
                        named += cell.occurs and right
                        schedules = max(schedules, cell.explored.schedules)
                    each = int(1000 * (time.monotonic() - begun) / trials)
                    published = level not in case.prevented
                    found.append(
                        Anomalies(
                            case.name, level, reduced, trials, occurs, published, named, schedules, each
                        )
                    )
                    _say(found[-1])
    return found


def _say(one: Statements | Anomalies) -> None:
    sys.stdout.write(f"{'' if one.good else 'WRONG '}{one}\n")
    sys.stdout.flush()


async def run(chosen: argparse.Namespace) -> list[Statements | Anomalies]:
    """Run all measurements on one server."""
    found: list[Statements | Anomalies] = []
    async with postgres_server() as server:
        if chosen.only != "isolation":
            for driver in DRIVERS:
                for case in CASES:
                    for twin in (False, True):
                        counts = {"trials": chosen.trials, "replays": chosen.replays}
                        found.append(await statements(server, case, driver(), twin=twin, **counts))
                        _say(found[-1])
        if chosen.only != "statements":
            found += await anomalies(server, max(1, chosen.trials // 4))
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--replays", type=int, default=100)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--only", choices=["statements", "isolation"])
    chosen = parser.parse_args()
    found = asyncio.run(run(chosen))
    if chosen.json:
        chosen.json.write_text(json.dumps([asdict(one) | {"good": one.good} for one in found], indent=1))
    good = sum(one.good for one in found)
    sys.stdout.write(f"{good} of {len(found)} as they should be\n")
    return int(good < len(found))


if __name__ == "__main__":
    sys.exit(main())
