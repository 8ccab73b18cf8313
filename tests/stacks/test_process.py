"""A local process: start, monitoring, kill and pause with its children, end with the harness."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from overbooked.errors import StackError
from overbooked.stacks.base.health import Probe, wait_until_ready
from overbooked.stacks.processes import process as module
from overbooked.stacks.processes import trampoline
from overbooked.stacks.processes.identity import identity, wait_until_gone
from overbooked.stacks.processes.ownership import MARKER, Ownership
from overbooked.stacks.processes.process import LocalProcess, UnixUser, ready_at_once

FAMILY = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
print("child", child.pid, flush=True)
time.sleep(60)
"""

Maker = Callable[..., LocalProcess]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Maker]:
    (tmp_path / "stacks").mkdir()
    ownership = Ownership.found(tmp_path / "stacks")
    made: list[LocalProcess] = []

    def maker(
        code: str, *, probe: Probe = ready_at_once, timeout_s: float = 30, **other: object
    ) -> LocalProcess:
        process = LocalProcess(
            "part",
            [sys.executable, "-c", code],
            ownership=ownership,
            log=tmp_path / "part.log",
            probe=probe,
            timeout_s=timeout_s,
            **other,
        )
        made.append(process)
        return process

    yield maker
    for process in made:
        process.kill()


def says(process: LocalProcess, word: str) -> Probe:
    async def probe() -> str:
        lines = [line for line in process.log_tail() if line.startswith(word)]
        return "" if lines else f"it has not said {word}"

    return probe


async def started_family(make: Maker) -> tuple[LocalProcess, int]:
    family = make(FAMILY)
    family._probe = says(family, "child")
    await family.start()
    return family, int(family.log_tail()[-1].split()[1])


async def test_it_runs_in_a_session_of_its_own_with_the_stacks_mark(make: Maker) -> None:
    process = make("import os; print('mark', os.environ['OVERBOOKED_STACK'], os.getsid(0), os.getpid())")
    await process.run()
    _, mark, session, pid = process.log_tail()[-1].split()
    assert mark == process._ownership.id
    assert session == pid
    assert MARKER == "OVERBOOKED_STACK"


async def test_a_kill_takes_children_along_and_is_not_held_against_it(make: Maker) -> None:
    family, child = await started_family(make)
    known = {child: identity(child) or ""}
    family.kill()
    family.kill()
    assert wait_until_gone(known, 5) == []
    assert not family.alive()
    assert family.how_it_ended() == ""
    assert family.taken_down


async def test_a_pause_stops_children_too(make: Maker) -> None:
    family, child = await started_family(make)
    family.pause()
    assert family.paused
    assert psutil.Process(child).status() == psutil.STATUS_STOPPED
    family.resume()
    family.resume()
    assert not family.paused
    assert psutil.Process(child).status() != psutil.STATUS_STOPPED


async def test_starting_a_paused_one_resumes_it(make: Maker) -> None:
    family, _ = await started_family(make)
    pid = family.pid
    family.pause()
    await family.start()
    assert family.pid == pid
    assert not family.paused


async def test_what_was_never_started_can_be_asked_and_told_anything(make: Maker) -> None:
    process = make("pass")
    process.kill()
    process.pause()
    process.resume()
    process.stop(signal.SIGTERM)
    assert process.pid is None
    assert process.memory_bytes() == 0
    assert process.log_tail() == []
    assert process.how_it_ended() == ""


@pytest.mark.parametrize(
    ("code", "end"),
    [
        ("raise SystemExit(4)", "ended with exit code 4"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "was ended by SIGSEGV"),
        ("import os; os.kill(os.getpid(), 34)", "was ended by SIGRTMIN"),
        ("import os; os.kill(os.getpid(), 40)", "was ended by signal 40"),
    ],
)
async def test_an_end_of_its_own_is_told(make: Maker, code: str, end: str) -> None:
    process = make(code)
    process.launch()
    assert process._child is not None
    process._child.wait(5)
    assert process.how_it_ended() == end
    process.kill()
    assert process.how_it_ended() == end  # a later kill does not hide the death


async def test_memory_counts_the_whole_tree(make: Maker) -> None:
    family, child = await started_family(make)
    assert family.memory_bytes() > psutil.Process(child).memory_info().rss > 0


async def test_a_stop_in_order_is_a_signal_it_may_answer(make: Maker) -> None:
    process = make(
        "import signal\n"
        "signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})\n"
        "print('up', flush=True); signal.sigwait({signal.SIGTERM}); print('farewell')"
    )
    process._probe = says(process, "up")
    await process.start()
    process.pause()
    process.stop(signal.SIGTERM)
    assert process.log_tail() == ["up", "farewell"]
    assert process.how_it_ended() == ""


async def test_one_that_will_not_stop_is_killed(make: Maker) -> None:
    process = make(
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "print('up', flush=True); time.sleep(60)"
    )
    process._probe = says(process, "up")
    await process.start()
    process.stop(signal.SIGTERM, timeout_s=0.1)
    assert not process.alive()


async def test_a_command_run_to_its_end_must_succeed(make: Maker) -> None:
    with pytest.raises(StackError, match=r"part failed: it ended with exit code 3\n    broken") as caught:
        await make("print('broken'); raise SystemExit(3)").run()
    assert caught.value.part == "part"


async def test_a_command_that_never_ends_is_ended(make: Maker) -> None:
    process = make("import time; time.sleep(60)", timeout_s=0.2)
    with pytest.raises(StackError, match=r"part did not end within 0\.2 s"):
        await process.run()
    assert not process.alive()


async def test_a_folder_that_is_gone_is_one_clear_line(make: Maker, tmp_path: Path) -> None:
    with pytest.raises(StackError, match="part cannot be started"):
        make("pass", directory=tmp_path / "nowhere").launch()


async def test_the_log_keeps_every_start_and_shows_its_end(make: Maker) -> None:
    process = make("print('once more')")
    await process.run()
    await process.run()
    assert process.log_tail() == ["once more", "once more"]
    assert process.log_tail(1) == ["once more"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
async def test_root_is_given_up_for_good(ground: Path) -> None:
    ownership = Ownership.found(ground)
    process = LocalProcess(
        "part",
        ["/bin/sh", "-c", "id -u; id -g; id -G"],
        ownership=ownership,
        log=ownership.directory / "part.log",
        probe=ready_at_once,
        timeout_s=30,
        account=UnixUser(65534, 65534),
    )
    await process.run()
    assert process.log_tail() == ["65534", "65534", "65534"]
    ownership.remove()


HARNESS = """
import asyncio, sys, time
from pathlib import Path
from overbooked.stacks.processes.ownership import Ownership
from overbooked.stacks.processes.process import LocalProcess, ready_at_once
folder = Path(sys.argv[1])
part = LocalProcess("part", ["sleep", "60"], ownership=Ownership.found(folder), log=folder / "log",
                    probe=ready_at_once, timeout_s=30)
part.launch()
print(part.pid, flush=True)
time.sleep(60)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="a death signal is Linux's")
def test_it_ends_with_a_harness_that_is_killed(tmp_path: Path) -> None:
    harness = subprocess.Popen(
        [sys.executable, "-c", HARNESS, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert harness.stdout
    with harness.stdout:
        pid = int(harness.stdout.readline())
    known = {pid: identity(pid) or ""}
    assert known[pid]
    harness.kill()
    harness.wait()
    assert wait_until_gone(known, 5) == []


async def test_survivors_of_a_kill_are_named(make: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    family, child = await started_family(make)
    monkeypatch.setattr(module, "wait_until_gone", lambda *_: [child])
    with pytest.raises(StackError, match=f"children of part survived SIGKILL: {child}"):
        family.kill()


# -- waiting ------------------------------------------------------------------------------------


async def test_waiting_ends_with_what_was_missing() -> None:
    async def never() -> str:
        return "the moon is not full"

    started = time.monotonic()
    with pytest.raises(
        StackError, match=r"part was not ready within 0\.1 s: the moon is not full\n    a line"
    ):
        await wait_until_ready("part", never, timeout_s=0.1, log=lambda: ["a line", ""])
    assert time.monotonic() - started < 5


async def test_a_probe_that_hangs_is_a_probe_that_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    import asyncio

    from overbooked.stacks.base import health

    async def hang() -> str:
        await asyncio.sleep(60)
        return ""

    monkeypatch.setattr(health, "_PROBE_TIMEOUT_S", 0.05)
    with pytest.raises(StackError, match=r"no answer within 0\.05 s"):
        await wait_until_ready("part", hang, timeout_s=0.1)


# -- the trampoline -----------------------------------------------------------------------------


class Became(Exception):
    pass


@pytest.fixture
def deeds(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, object]]:
    """Record the trampoline's calls in order, without executing them."""
    done: list[tuple[str, object]] = []
    for name in ("setgroups", "setgid", "setuid"):
        monkeypatch.setattr(trampoline.os, name, lambda value, name=name: done.append((name, value)))

    class Libc:
        def __init__(self, *_: object, **__: object) -> None: ...

        def prctl(self, option: int, number: int, *_: int) -> None:
            done.append(("prctl", (option, number)))

    def become(file: str, command: list[str]) -> None:
        done.append(("exec", command))
        raise Became

    monkeypatch.setattr(trampoline.ctypes, "CDLL", Libc)
    monkeypatch.setattr(trampoline.signal, "signal", lambda *_: None)
    monkeypatch.setattr(trampoline.os, "execvp", become)
    return done


def test_the_death_signal_is_set_after_root_was_given_up(deeds: list[tuple[str, object]]) -> None:
    with pytest.raises(Became):
        trampoline.main([str(os.getppid()), "7", "8", "3", "program", "argument"])
    assert deeds == [
        ("setgroups", []),
        ("setgid", 8),
        ("setuid", 7),
        ("prctl", (1, 3)),
        ("exec", ["program", "argument"]),
    ]


def test_nobody_is_become_when_the_parent_died_meanwhile(deeds: list[tuple[str, object]]) -> None:
    trampoline.main(["1", "-1", "-1", "9", "program"])
    assert deeds == [("prctl", (1, 9))]


def test_a_program_that_does_not_exist_ends_127(
    deeds: list[tuple[str, object]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> None:
        raise FileNotFoundError(2, "No such file or directory")

    monkeypatch.setattr(trampoline.os, "execvp", fail)
    with pytest.raises(SystemExit) as caught:
        trampoline.main([str(os.getppid()), "-1", "-1", "9", "program"])
    assert caught.value.code == 127
    assert capsys.readouterr().err == "program: No such file or directory\n"
