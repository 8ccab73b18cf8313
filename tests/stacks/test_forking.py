"""Starts by fork: a command behaves as if it were executed, but starts faster."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import psutil
import pytest

from overbooked.errors import StackError
from overbooked.stacks.base.health import wait_until_ready
from overbooked.stacks.embedded.fork_client import Forked, ForkServer, forkable
from overbooked.stacks.processes.identity import identity, wait_until_gone
from overbooked.stacks.processes.ownership import Ownership
from overbooked.stacks.processes.process import LocalProcess, ready_at_once

TELLS = """
import os, sys
print("argv", sys.argv[1:], "main", __name__, "in", os.getcwd(), "session", os.getsid(0) == os.getpid(),
      "reads", repr(sys.stdin.read()), "said", os.environ.get("SAID"), "mark", os.environ["OVERBOOKED_STACK"],
      "loaded", "decimal" in sys.modules, "path", sys.path[0])
"""
WAITS = "import time\nprint('up', flush=True)\ntime.sleep(60)"
FAMILY = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
print("up", child.pid, flush=True)
time.sleep(60)
"""

Maker = Callable[..., LocalProcess]


@pytest.fixture
def ownership(tmp_path: Path) -> Ownership:
    (tmp_path / "stacks").mkdir()
    return Ownership.found(tmp_path / "stacks")


def server_of(ownership: Ownership, tmp_path: Path, *modules: str, timeout_s: float = 30) -> ForkServer:
    return ForkServer(
        modules, ownership=ownership, log=tmp_path / "forkserver.log", timeout_s=timeout_s, directory=tmp_path
    )


@pytest.fixture
async def server(ownership: Ownership, tmp_path: Path) -> AsyncIterator[ForkServer]:
    one = server_of(ownership, tmp_path, "decimal")
    await one.start()
    yield one
    one.process.kill()


@pytest.fixture
def make(server: ForkServer, ownership: Ownership, tmp_path: Path) -> Iterator[Maker]:
    made: list[LocalProcess] = []

    def maker(code: str, *arguments: str, **other: object) -> LocalProcess:
        (tmp_path / "part.py").write_text(code)
        process = LocalProcess(
            "part",
            [sys.executable, "-m", "part", *arguments],
            ownership=ownership,
            log=tmp_path / "part.log",
            probe=ready_at_once,
            timeout_s=10,
            directory=tmp_path,
            launcher=server,
            **other,  # type: ignore[arg-type]
        )
        made.append(process)
        return process

    yield maker
    for process in made:
        process.kill()


async def up(process: LocalProcess) -> str:
    """Wait until the process is up; returns its output."""

    async def probe() -> str:
        return "" if any(line.startswith("up") for line in process.log_tail()) else "it is not up"

    await wait_until_ready("part", probe, timeout_s=10, died=process.how_it_ended, log=process.log_tail)
    return next(line for line in process.log_tail() if line.startswith("up"))


async def test_what_is_forked_finds_what_an_executed_command_finds(
    make: Maker, tmp_path: Path, ownership: Ownership
) -> None:
    await make(TELLS, "a", "b c", env={"SAID": "yes"}).run()
    (line,) = (tmp_path / "part.log").read_text().splitlines()
    assert line == (
        f"argv ['a', 'b c'] main __main__ in {tmp_path} session True reads '' said yes "
        f"mark {ownership.id} loaded True path {tmp_path}"
    )


async def test_each_start_loads_the_services_own_code_anew(make: Maker, tmp_path: Path) -> None:
    process = make("print('first')")
    await process.run()
    (tmp_path / "part.py").write_text("print('second, and longer')")
    await process.run()
    assert process.log_tail() == ["first", "second, and longer"]


async def test_a_kill_is_known_at_once_and_it_can_be_started_again(make: Maker, server: ForkServer) -> None:
    process = make(WAITS)
    process.launch()
    await up(process)
    first = process.pid
    assert first is not None
    assert psutil.Process(first).ppid() == server.process.pid
    process.kill()
    assert not process.alive()
    assert process.how_it_ended() == ""
    await process.start()
    assert process.alive()
    assert process.pid not in (None, first)


async def test_a_kill_takes_children_along(make: Maker) -> None:
    process = make(FAMILY)
    process.launch()
    child = int((await up(process)).split()[1])
    known = {child: identity(child) or ""}
    process.kill()
    assert wait_until_gone(known, 5) == []


async def test_a_pause_and_an_end_in_order(make: Maker) -> None:
    process = make(WAITS)
    process.launch()
    await up(process)
    process.pause()
    assert process.pid is not None
    assert psutil.Process(process.pid).status() == psutil.STATUS_STOPPED
    process.stop(signal.SIGTERM)
    assert not process.alive()
    assert process._child is not None
    assert process._child.returncode == -signal.SIGTERM


@pytest.mark.parametrize(
    ("code", "end"),
    [
        ("raise SystemExit(4)", "ended with exit code 4"),
        ("1 / 0", "ended with exit code 1"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "was ended by SIGSEGV"),
    ],
)
async def test_an_end_of_its_own_is_told(make: Maker, code: str, end: str) -> None:
    process = make(code)
    process.launch()
    assert process._child is not None
    process._child.wait(10)
    assert process.how_it_ended() == end


async def test_a_failure_shows_the_services_own_traceback(make: Maker) -> None:
    process = make("def broken():\n    1 / 0\nbroken()")
    with pytest.raises(StackError, match="exit code 1"):
        await process.run()
    assert process.log_tail()[-1] == "ZeroDivisionError: division by zero"
    assert any("part.py" in line for line in process.log_tail())


async def test_waiting_for_one_that_runs_on_times_out(make: Maker) -> None:
    process = make(WAITS)
    process.launch()
    assert isinstance(process._child, Forked)
    with pytest.raises(subprocess.TimeoutExpired):
        process._child.wait(0.1)


async def test_who_loses_the_fork_server_ends_with_it(make: Maker, server: ForkServer) -> None:
    process = make(WAITS)
    process.launch()
    await up(process)
    assert server.process.pid is not None
    os.kill(server.process.pid, signal.SIGKILL)
    assert process._child is not None
    assert process._child.wait(10) == -signal.SIGKILL
    with pytest.raises(StackError, match="part: the fork server cannot start it"):
        process.launch()
    await server.start()
    await process.start()
    assert process.alive()


async def test_an_end_is_known_after_the_fork_server_was_started_again(
    make: Maker, server: ForkServer
) -> None:
    process = make(WAITS)
    process.launch()
    await up(process)
    server.process.kill()
    await server.start()
    assert process._child is not None
    assert process._child.wait(10) == -signal.SIGKILL


async def test_a_module_that_is_not_there_is_named(ownership: Ownership, tmp_path: Path) -> None:
    one = server_of(ownership, tmp_path, "decimal", "no_such_module")
    with pytest.raises(StackError, match="cannot preload no_such_module: ModuleNotFoundError"):
        await one.start()


async def test_a_module_that_starts_threads_is_refused(ownership: Ownership, tmp_path: Path) -> None:
    (tmp_path / "threading_lib.py").write_text(
        "import threading, time\nthreading.Thread(target=time.sleep, args=(60,), daemon=True).start()"
    )
    one = server_of(ownership, tmp_path, "threading_lib")
    with pytest.raises(StackError, match="cannot preload threading_lib: it starts threads"):
        await one.start()


def test_only_a_module_of_our_python_can_be_forked() -> None:
    assert forkable([sys.executable, "-m", "part"])
    assert not forkable([sys.executable, "part.py", "x"])
    assert not forkable(["/usr/bin/env", "-m", "part"])
    assert not forkable([sys.executable, "-m"])
