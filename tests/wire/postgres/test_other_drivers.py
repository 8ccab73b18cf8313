"""node-postgres, pgx and pgjdbc say the same with and without the gate, whatever its keeper does.

Each runs a small program of its own language. They fetch the driver from its registry, so they run only
when asked for: `pytest -m conformance`.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from overbooked.wire.link import RelayLink
from tests.wire.ordering_keeper import order
from tests.wire.postgres.server import PostgresServer
from tests.wire.watching_keeper import Watching, engage, late

PROGRAMS = Path(__file__).parents[1] / "drivers"
PREPARE_S = 300.0
RUN_S = 120.0
LATE_S = 0.003


def _run(command: list[str], folder: Path) -> None:
    subprocess.run(command, cwd=folder, check=True, timeout=PREPARE_S, stdin=subprocess.DEVNULL)


def node(folder: Path) -> list[str]:
    shutil.copy(PROGRAMS / "drive.mjs", folder)
    _run(["npm", "install", "--no-audit", "--no-fund", "pg@8.16.3", "pg-copy-streams@7.0.0"], folder)
    return ["node", "drive.mjs"]


def pgx(folder: Path) -> list[str]:
    shutil.copy(PROGRAMS / "drive.go", folder)
    _run(["go", "mod", "init", "drive"], folder)
    _run(["go", "get", "github.com/jackc/pgx/v5@v5.7.6"], folder)
    _run(["go", "build", "-o", "drive", "drive.go"], folder)
    return ["./drive"]


def pgjdbc(folder: Path) -> list[str]:
    shutil.copy(PROGRAMS / "Drive.java", folder)
    artifact = "-Dartifact=org.postgresql:postgresql:42.7.7"
    _run(["mvn", "-q", "-B", "dependency:copy", artifact, f"-DoutputDirectory={folder}"], folder)
    driver = next(folder.glob("postgresql-*.jar")).name
    _run(["javac", "-cp", driver, "Drive.java"], folder)
    return ["java", "-cp", f"{driver}:.", "Drive"]


DRIVERS: dict[str, tuple[tuple[str, ...], Callable[[Path], list[str]]]] = {
    "node-postgres": (("node", "npm"), node),
    "pgx": (("go",), pgx),
    "pgjdbc": (("java", "javac", "mvn"), pgjdbc),
}


async def _lines(command: list[str], folder: Path, url: str) -> list[str]:
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=folder,
        env={**os.environ, "DRIVE_URL": f"{url}?sslmode=disable"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(RUN_S):
            printed, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return printed.decode().splitlines()


@pytest.mark.conformance
@pytest.mark.timeout(PREPARE_S + 6 * RUN_S)
@pytest.mark.parametrize("name", DRIVERS)
async def test_another_languages_driver_notices_nothing(
    request: pytest.FixtureRequest, gated: RelayLink, postgres: PostgresServer, tmp_path: Path, name: str
) -> None:
    if "conformance" not in (request.config.getoption("-m") or ""):
        pytest.skip("fetches drivers of other languages: ask with -m conformance")
    programs, prepare = DRIVERS[name]
    if any(shutil.which(program) is None for program in programs):
        pytest.skip("needs the programs of each driver's language: node and npm; go; java, javac and mvn")
    command = prepare(tmp_path)
    without = await _lines(command, tmp_path, postgres.dsn())
    assert without[-1] == "over", without
    modes: dict[str, Callable[[], Watching | None]] = {
        "observed": lambda: None,
        "held": lambda: engage(gated),
        "held and late": lambda: engage(gated, **late(LATE_S)),
        "commits apart and late": lambda: order(gated, **late(LATE_S)),
    }
    for mode, keeps in modes.items():
        gated.gate(None)
        keeper = keeps()
        through = await _lines(command, tmp_path, postgres.dsn(gated.address))
        assert through == without, mode
        assert keeper is None or len(keeper.asked) > len(without) / 2
    gated.gate(None)
    assert gated.troubles() == ()
