"""When a harness ends in any way, its processes end and its leftovers are found."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from overbooked.stacks.base.settings import StackSettings
from overbooked.stacks.processes.identity import wait_until_gone
from overbooked.stacks.processes.ownership import sweep

RUN = """
import asyncio, sys
from overbooked.stacks.embedded.stack import EmbeddedStack
from overbooked.stacks.base.settings import StackSettings
from tests.stacks.conftest import service, system

async def main():
    settings = StackSettings.model_validate_json(sys.argv[1])
    async with EmbeddedStack(system(redis=None, service=service()), settings):
        print("up", flush=True)
        if sys.argv[2] == "exit":
            sys.exit(3)
        if sys.argv[2] == "abandon":
            raise KeyboardInterrupt
        await asyncio.sleep(60)

if sys.argv[2] == "leak":
    stack = EmbeddedStack(system(database=None, redis=None, service=service()),
                          StackSettings.model_validate_json(sys.argv[1]))
    asyncio.run(stack.start())
    print("up", flush=True)
    sys.exit(0)
asyncio.run(main())
"""


def harness(settings: StackSettings, way: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", RUN, settings.model_dump_json(exclude={"images"}), way],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[2] / "harness"), *sys.path[1:]]),
        },
        start_new_session=True,
    )
    assert process.stdout
    assert process.stdout.readline() == "up\n", process.stderr and process.stderr.read()
    return process


def stacks_of(settings: StackSettings) -> Path:
    assert settings.state_dir
    return settings.state_dir / "stacks"


def started_by(stacks: Path, owner: int) -> dict[int, str]:
    for path in stacks.glob("*/owner.json"):
        record = json.loads(path.read_text())
        if record["owner"]["pid"] == owner:
            return {p["pid"]: p["identity"] for p in record["processes"]}
    return {}


def segments() -> set[str]:
    """Return unattached System V shared memory segments, which a killed postmaster leaves behind."""
    table = Path("/proc/sysvipc/shm").read_text().splitlines()[1:]
    return {shmid for _, shmid, _, _, _, _, attached, *_ in map(str.split, table) if attached == "0"}


@pytest.fixture
def ended(settings: StackSettings, ground: Path):
    own = settings.model_copy(update={"state_dir": ground / "killed"})
    (ground / "killed").mkdir(exist_ok=True)
    running: list[subprocess.Popen[str]] = []

    def run(way: str, how: signal.Signals | None) -> tuple[StackSettings, int, dict[int, str]]:
        process = harness(own, way)
        running.append(process)
        owned = started_by(stacks_of(own), process.pid)
        if how:
            os.kill(process.pid, how)
        code = process.wait(20)
        return own, code, owned

    yield run
    for process in running:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def test_a_killed_harness_leaves_nothing_that_the_next_start_does_not_remove(ended) -> None:
    before = segments()
    own, _, owned = ended("wait", signal.SIGKILL)
    assert owned
    assert wait_until_gone(owned, 10) == []
    assert len(list(stacks_of(own).iterdir())) == 1
    assert len(sweep(stacks_of(own))) == 1
    assert list(stacks_of(own).iterdir()) == []
    assert segments() <= before


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_harness_told_to_end_takes_everything_along(ended, number: signal.Signals) -> None:
    own, code, owned = ended("wait", number)
    assert code in (-number, 130, 1)
    assert owned
    assert wait_until_gone(owned, 5) == []
    assert list(stacks_of(own).iterdir()) == []


@pytest.mark.parametrize("way", ["exit", "abandon", "leak"])
def test_a_harness_that_leaves_early_takes_everything_along(ended, way: str) -> None:
    own, _, owned = ended(way, None)
    assert wait_until_gone(owned, 5) == []
    assert list(stacks_of(own).iterdir()) == []
