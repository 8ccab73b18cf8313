"""A local process of a stack: start, monitor, kill, pause and restart it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import psutil

from overbooked.errors import StackError
from overbooked.stacks.base.health import Probe, quoted, wait_until_ready
from overbooked.stacks.base.paths import explain_full_disk
from overbooked.stacks.processes import trampoline
from overbooked.stacks.processes.environment import for_process
from overbooked.stacks.processes.identity import (
    descendants,
    identity,
    is_exiting,
    wait_until_gone,
    wait_until_stopped,
)
from overbooked.stacks.processes.ownership import MARKER, Ownership

_DEATH_TIMEOUT_S = 10.0
_STOP_TIMEOUT_S = 1.0
_TAIL_BYTES = 64 * 1024
_POLL_S = 0.02


async def ready_at_once() -> str:
    """The probe of a command that runs to its end: always ready."""
    return ""


@dataclass(frozen=True, slots=True)
class UnixUser:
    """The user and group ids under which a process runs."""

    uid: int
    gid: int


class Child(Protocol):
    """A child process, with the interface of `subprocess.Popen`."""

    @property
    def pid(self) -> int: ...

    @property
    def returncode(self) -> int | None: ...

    def poll(self) -> int | None: ...

    def wait(self, timeout: float | None = None) -> int: ...

    def send_signal(self, number: int, /) -> None: ...


class Launcher(Protocol):
    """An alternative to starting a command by exec, e.g. a fork server."""

    def launch(
        self,
        command: Sequence[str],
        *,
        name: str,
        env: Mapping[str, str],
        directory: Path | None,
        log: Path,
        death_signal: signal.Signals,
    ) -> Child:
        """Start the command in a new session; its output is appended to the log."""


class LocalProcess:
    """One child process in its own session; satisfies `overbooked.stacks.base.protocol.Process`.

    Start it from a thread that lives at least as long: on Linux a child gets its death signal when the
    *thread* that started it ends (PR_SET_PDEATHSIG), which includes SIGKILL of the harness.

    Args:
        command, env, directory: the command; `env` overrides `overbooked.stacks.processes.environment`.
        passed_on: names of additional variables of the user's shell to pass on.
        log: the file to which stdout and stderr are appended.
        probe: returns what is missing; empty when the process is ready.
        timeout_s: the time limit for readiness, or for `run`, in seconds.
        account: the user to run as; None for the current one.
        death_signal: the signal that the process gets when the harness ends.
        stdin: returns the file descriptor of its standard input, at each start; default /dev/null.
        launcher: starts the process instead of an exec; cannot be combined with `account`.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        ownership: Ownership,
        log: Path,
        probe: Probe,
        timeout_s: float,
        env: Mapping[str, str] | None = None,
        passed_on: Sequence[str] = (),
        directory: Path | None = None,
        account: UnixUser | None = None,
        death_signal: signal.Signals = signal.SIGKILL,
        stdin: Callable[[], int] | None = None,
        launcher: Launcher | None = None,
    ) -> None:
        self.name = name
        self.command = list(command)
        self.env = dict(env or {})
        self._passed_on = tuple(passed_on)
        self._ownership = ownership
        self._log = log
        self._probe = probe
        self._timeout_s = timeout_s
        self._directory = directory
        self._account = account
        self._death_signal = death_signal
        self._stdin = stdin
        self._launcher = launcher
        self._child: Child | None = None
        self._taken_down = True
        self._paused = False

    # -- state ---------------------------------------------------------------------------------

    @property
    def pid(self) -> int | None:
        """The process id while it runs, else None."""
        return self._child.pid if self._child and self.alive() else None

    def alive(self) -> bool:
        """Whether it runs; a paused process counts as running."""
        return self._child is not None and self._child.poll() is None

    @property
    def paused(self) -> bool:
        return self._paused and self.alive()

    @property
    def taken_down(self) -> bool:
        """Whether the harness ended it, or never started it."""
        return self._taken_down

    def how_it_ended(self) -> str:
        """How it ended on its own; empty while it runs or if the harness ended it."""
        if self._taken_down or self._child is None:
            return ""
        if self._child.poll() is None and is_exiting(self._child.pid):
            # Clients may have observed its exit, so it must not be reported as running.
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._child.wait(_STOP_TIMEOUT_S)
        if (code := self._child.poll()) is None:
            return ""
        if code >= 0:
            return f"ended with exit code {code}"
        with contextlib.suppress(ValueError):
            return f"was ended by {signal.Signals(-code).name}"
        return f"was ended by signal {-code}"

    def memory_bytes(self) -> int:
        """The current resident set size of the process and its descendants, in bytes; 0 if not running."""
        total = 0
        if self._child is not None and self.alive():
            for pid in (self._child.pid, *descendants(self._child.pid)):
                with contextlib.suppress(psutil.Error):
                    total += psutil.Process(pid).memory_info().rss
        return total

    def log_tail(self, lines: int = 40) -> list[str]:
        """The last lines of its log, which covers all starts."""
        try:
            with self._log.open("rb") as file:
                file.seek(max(0, self._log.stat().st_size - _TAIL_BYTES))
                return file.read().decode("utf-8", "replace").splitlines()[-lines:]
        except OSError:
            return []

    # -- control -------------------------------------------------------------------------------

    async def start(self) -> None:
        """Start it, or resume it if it runs; returns when it is ready.

        Raises:
            StackError: it ended before it was ready, or was not ready in time.
        """
        if self.alive():
            self.resume()
        else:
            self.launch()
        await wait_until_ready(
            self.name,
            self._probe,
            timeout_s=self._timeout_s,
            died=self.how_it_ended,
            log=lambda: self.log_tail(20),
        )

    async def run(self) -> None:
        """Run a command to its end.

        Raises:
            StackError: it failed or took longer than its time-out.
        """
        self.launch()
        deadline = time.monotonic() + self._timeout_s
        try:
            while self.alive():
                if time.monotonic() > deadline:
                    raise StackError(
                        f"{self.name} did not end within {self._timeout_s:g} s" + quoted(self.log_tail(20)),
                        part=self.name,
                        log=self.log_tail(20),
                    )
                await asyncio.sleep(_POLL_S)
            if self._child is not None and self._child.returncode != 0:
                raise StackError(
                    f"{self.name} failed: it {self.how_it_ended()}" + quoted(self.log_tail(20)),
                    part=self.name,
                    log=self.log_tail(20),
                )
        finally:
            self.kill()
            if self._child is not None:
                self._ownership.forget(self._child.pid)
            self._taken_down = True

    def launch(self) -> None:
        """Start it without waiting until it is ready."""
        env = {**for_process(self.env, self._passed_on), MARKER: self._ownership.id}
        with explain_full_disk():
            self._log.parent.mkdir(parents=True, exist_ok=True)
            if self._launcher is not None:
                child: Child = self._launcher.launch(
                    self.command,
                    name=self.name,
                    env=env,
                    directory=self._directory,
                    log=self._log,
                    death_signal=self._death_signal,
                )
            else:
                child = self._executed(env)
        self._child = child
        self._taken_down = self._paused = False
        self._ownership.record(self.name, child.pid)

    def _executed(self, env: Mapping[str, str]) -> Child:
        uid, gid = (self._account.uid, self._account.gid) if self._account else (-1, -1)
        before = [sys.executable, "-I", "-S", str(trampoline.__file__), str(os.getpid()), str(uid), str(gid)]
        with self._log.open("ab") as log:
            try:
                return subprocess.Popen(
                    [*before, str(int(self._death_signal)), *self.command],
                    stdin=self._stdin() if self._stdin else subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    cwd=self._directory,
                    env=env,
                    start_new_session=True,
                )
            except OSError as error:
                raise StackError(f"{self.name} cannot be started: {error}", part=self.name) from error

    def kill(self) -> None:
        """Kill it and its descendants with SIGKILL; returns when they have ended and it is reaped.

        Raises:
            StackError: it survived SIGKILL.
        """
        child = self._child
        if child is None or not self.alive():
            return  # a process that ended on its own is still reported as such
        self._taken_down = True
        # Stop it first, so that it ends at this moment and starts no process while descendants are listed.
        self._send(signal.SIGSTOP, [child.pid])
        others = descendants(child.pid)
        identities = {pid: identity(pid) or "" for pid in others}
        self._send(signal.SIGKILL, [child.pid, *others])
        try:
            child.wait(_DEATH_TIMEOUT_S)
        except subprocess.TimeoutExpired as error:
            raise StackError(f"{self.name} (pid {child.pid}) survived SIGKILL", part=self.name) from error
        # PostgreSQL refuses to restart while one of its old backends is still running.
        if left := wait_until_gone(identities, _DEATH_TIMEOUT_S):
            pids = ", ".join(map(str, left))
            raise StackError(f"children of {self.name} survived SIGKILL: {pids}", part=self.name)
        self._paused = False
        self._ownership.forget(child.pid)

    def stop(self, with_signal: signal.Signals, timeout_s: float = 10.0) -> None:
        """Stop it with a signal, and with SIGKILL if it has not ended after `timeout_s` seconds."""
        child = self._child
        if child is None or not self.alive():
            return
        self.resume()
        self._taken_down = True
        child.send_signal(with_signal)
        try:
            child.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.kill()
        self._ownership.forget(child.pid)

    def pause(self) -> None:
        """Stop it and its descendants with SIGSTOP; returns when they are stopped."""
        if self._child is None or not self.alive():
            return
        self._paused = True
        pid = self._child.pid
        self._send(signal.SIGSTOP, [pid])  # the parent first, so that it starts no more children
        wait_until_stopped([pid], _STOP_TIMEOUT_S)
        others = descendants(pid)
        self._send(signal.SIGSTOP, others)
        wait_until_stopped(others, _STOP_TIMEOUT_S)

    def resume(self) -> None:
        """Resume it and its descendants with SIGCONT; no effect if it is not paused."""
        if not self._paused:
            return
        self._paused = False
        if self._child is not None and self.alive():
            self._send(signal.SIGCONT, [*descendants(self._child.pid), self._child.pid])

    @staticmethod
    def _send(number: signal.Signals, pids: Sequence[int]) -> None:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, number)
