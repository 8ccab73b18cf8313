"""psycopg under others' tests, without the gate and through it: exactly the same tests must pass.

    python -m tests.wire.conformance.psycopg_suite [--suites psycopg2,sqlalchemy] [--runs 2]

psycopg 3's source distributions have no tests in them. Those of psycopg2 and of SQLAlchemy do: psycopg2's own
suite (libpq's simple protocol, COPY, asynchronous and green connections, two-phase commits, large objects,
LISTEN) and SQLAlchemy's suite of its PostgreSQL dialects, run by psycopg 3. Each runs `--runs` times without
the gate, then through the gate: once observing, once holding and letting go at once, once 3 ms late, and
once 3 ms late with every commit and every end of a session taken apart. A test that differs is run alone
`--again` times without the gate. Exits with 1 when any other test differs.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from xml.etree import ElementTree

from overbooked.wire.gate.boundary import Boundary, WireProtocol
from overbooked.wire.relay import Relays
from tests.wire.conformance.asyncpg_suite import Outcomes, counted, say
from tests.wire.conformance.led import LATE_S, PassAll
from tests.wire.postgres.server import PostgresServer, postgres_server

RUN_TIMEOUT_S = 1800
MODES = ("observe", "hold", "late", "apart")


class PassAllApart(PassAll):
    """Takes every commit and every end of a session apart."""

    holds_ends = True

    def holds_commit_of(self, boundary: Boundary) -> bool:
        return True


@dataclass(frozen=True)
class Suite:
    """Someone's suite: the distribution that it comes in, and how it is run."""

    name: str
    distribution: str
    version: str
    needs: tuple[str, ...]
    tests: tuple[str, ...]
    reaches: Callable[[PostgresServer], tuple[list[str], dict[str, str]]]


def _psycopg2(server: PostgresServer) -> tuple[list[str], dict[str, str]]:
    host, port = server.address
    reached = {"": server.database, "_HOST": host, "_PORT": str(port), "_USER": server.user}
    return [], {f"PSYCOPG2_TESTDB{name}": word for name, word in reached.items()} | {
        "PGPASSWORD": server.password,
        "PSYCOPG2_TESTDB_PASSWORD": server.password,
    }


def _sqlalchemy(server: PostgresServer) -> tuple[list[str], dict[str, str]]:
    host, port = server.address
    address = f"{server.user}:{server.password}@{host}:{port}/{server.database}"
    return ["--dburi", f"postgresql+psycopg://{address}"], {}


SUITES = {
    one.name: one
    for one in (
        Suite("psycopg2", "psycopg2-binary", "2.9.13", ("psycopg2-binary",), ("tests",), _psycopg2),
        Suite(
            "sqlalchemy",
            "sqlalchemy",
            metadata.version("sqlalchemy"),
            (),
            ("test/dialect/postgresql", "test/dialect/test_suite.py", "test/engine/test_transaction.py"),
            _sqlalchemy,
        ),
    )
}


def source(suite: Suite, place: Path) -> Path:
    """The folder of the unpacked source distribution; what the suite needs is installed beside it."""
    place.mkdir(exist_ok=True)
    found = [each for each in place.glob("sdist/*") if each.is_dir()]
    if found:
        return found[0]
    wanted = f"{suite.distribution}=={suite.version}"
    command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-build-isolation"]
    command += ["--no-binary", suite.distribution, "-d", str(place), wanted]
    # What it is built with is not wanted: the archive alone is.
    subprocess.run(command, check=False, timeout=300)
    with tarfile.open(next(place.glob("*.tar.gz"))) as archive:
        archive.extractall(place / "sdist", filter="data")
    for need in suite.needs:
        command = [sys.executable, "-m", "pip", "install", "-q", "--target", str(place / "needs")]
        subprocess.run([*command, f"{need}=={suite.version}"], check=True, timeout=300)
    return next((place / "sdist").iterdir())


async def run(suite: Suite, folder: Path, mode: str, only: str | None) -> Outcomes:
    """Run the suite in one mode on a new server: outcome by test."""
    result = folder.parent.parent / f"{mode}.xml"
    result.unlink(missing_ok=True)
    relays = Relays()
    keeper = PassAllApart(LATE_S) if mode == "apart" else PassAll(LATE_S if mode == "late" else 0.0)
    try:
        async with postgres_server() as server:
            link = relays.open("app->postgres", upstream=server.address, protocol=WireProtocol.POSTGRES)
            if mode in {"hold", "late", "apart"}:
                link.gate(keeper)
            reached = server
            if mode != "none":
                reached = PostgresServer(link.address, server.password, server.user, server.database)
            options, environment = suite.reaches(reached)
            command = [sys.executable, "-m", "pytest", "-q", "--tb=short", *suite.tests, *options]
            for plugin in ("overbooked", "asyncio", "cacheprovider", "randomly", "xdist.looponfail"):
                command += ["-p", f"no:{plugin}"]
            command += [f"--junitxml={result}", *(["-k", only] if only else [])]
            kept = {name: word for name, word in os.environ.items() if not name.startswith(("PG", "PYTEST"))}
            needs = os.pathsep.join([str(folder.parent.parent / "needs"), str(folder)])
            with result.with_suffix(".log").open("wb") as log:
                process = await asyncio.create_subprocess_exec(
                    *command,
                    cwd=folder,
                    env=kept | environment | {"PYTHONPATH": needs, "PGSSLMODE": "disable"},
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                )
                await asyncio.wait_for(process.wait(), RUN_TIMEOUT_S)
            if mode != "none":
                seen = link.traffic()
                say(f"  {seen.connections} connections, {seen.messages} reads, {keeper.held} held")
                for trouble in link.troubles():
                    say(f"  not followed: {trouble}")
    finally:
        relays.close()
    outcomes: Outcomes = {}
    for case in ElementTree.parse(result).iter("testcase"):
        ended = [child.tag for child in case if child.tag in {"failure", "error", "skipped"}]
        outcomes[f"{case.get('classname')}.{case.get('name')}"] = ended[0] if ended else "passed"
    return outcomes


async def compare(suite: Suite, place: Path, asked: argparse.Namespace) -> int:
    """How many tests differ."""
    folder = await asyncio.to_thread(source, suite, place / suite.name)
    say(f"{suite.name} {suite.version}, psycopg {metadata.version('psycopg')}")
    without: list[Outcomes] = []
    for number in range(asked.runs):
        without.append(await run(suite, folder, "none", asked.only))
        say(f"without the gate, run {number + 1}: {counted(without[-1])}")
    flaky = {name for one in without for name in one if len({each.get(name) for each in without}) > 1}
    for name in sorted(flaky):
        say(f"  varies without the gate: {name}")
    differing = 0
    for mode in asked.modes.split(","):
        through = await run(suite, folder, mode, asked.only)
        say(f"through the gate, {mode}: {counted(through)}")
        for name in sorted((through.keys() | without[0].keys()) - flaky):
            before, after = without[0].get(name, "absent"), through.get(name, "absent")
            if before == after:
                continue
            called = name.rpartition(".")[2].partition("[")[0]
            alone = [(await run(suite, folder, "none", called)).get(name) for _ in range(asked.again)]
            gated = [(await run(suite, folder, mode, called)).get(name) for _ in range(asked.again)]
            varies = set(alone) & set(gated) and (after in alone or before in gated)
            say(
                f"  {'varies' if varies else 'DIFFERS'}: {name}: {before} without, {after} through; "
                f"alone {alone} without, {gated} through"
            )
            differing += not varies
    return differing


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--suites", default=",".join(SUITES), help="by commas")
    parser.add_argument("--runs", type=int, default=2, help="runs without the gate")
    parser.add_argument("--only", help="pytest's -k")
    parser.add_argument("--keep", type=Path, help="folder to work in and leave behind")
    parser.add_argument("--modes", default=",".join(MODES), help="through the gate, by commas")
    parser.add_argument("--again", type=int, default=2, help="runs of a test that differs, alone")
    asked = parser.parse_args(words)
    place = asked.keep or Path(tempfile.mkdtemp(prefix="overbooked-conformance-"))
    place.mkdir(exist_ok=True)
    try:
        differing = sum(asyncio.run(compare(SUITES[name], place, asked)) for name in asked.suites.split(","))
        say(f"{differing} tests differ" if differing else "the same otherwise")
        return 1 if differing else 0
    finally:
        if asked.keep is None:
            shutil.rmtree(place, ignore_errors=True)


if __name__ == "__main__":
    raise SystemExit(main())
