"""One container of a stack: start, monitor, kill, pause and restart it."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
from docker.errors import APIError, NotFound
from testcontainers.core.container import DockerContainer

from overbooked.errors import StackError
from overbooked.stacks.base.health import Probe, quoted, wait_until_ready
from overbooked.stacks.containers.cleanup import translated
from overbooked.stacks.containers.placement import Placement

_DEATH_TIMEOUT_S = 15.0
_POLL_S = 0.02


class ContainerProcess:
    """A container with fixed ports; satisfies `overbooked.stacks.base.protocol.Process`.

    Args:
        image, command, env: the image and its command and environment; an empty command is the image's own.
        place: its address in the stack's network.
        labels: identify its owner.
        probe: returns what is missing; empty when the container is ready.
        timeout_s: the time limit for readiness, or for `run`, in seconds.
    """

    def __init__(
        self,
        name: str,
        image: str,
        *,
        command: Sequence[str] = (),
        env: Mapping[str, str] | None = None,
        place: Placement,
        labels: Mapping[str, str],
        probe: Probe,
        timeout_s: float,
    ) -> None:
        self.name = name
        self.image = image
        self._command = list(command)
        self._env = dict(env or {})
        self._place = place
        self._labels = dict(labels)
        self._probe = probe
        self._timeout_s = timeout_s
        self._container: Any = None
        self._taken_down = True
        self._paused = self._frozen = False
        self._pid = 0
        # A tripwire calls `kill` or `pause` in the relay's thread.
        self._lock = threading.RLock()

    # -- state ---------------------------------------------------------------------------------

    @property
    def pid(self) -> int | None:
        """The pid of its first process on this host; None if not running or if the engine is elsewhere."""
        return self._pid or None if self.alive() else None

    @property
    def paused(self) -> bool:
        return self._paused

    def alive(self) -> bool:
        """Whether it runs; a paused container counts as running."""
        return self._state().get("Running", False) is True

    def how_it_ended(self) -> str:
        """How it ended on its own; empty while it runs or if the harness ended it."""
        if self._taken_down or self._container is None:
            return ""
        state = self._state()
        if state.get("Running", False):
            return ""
        return f"ended with exit code {state.get('ExitCode', '?')}"

    def memory_bytes(self) -> int:
        """The current resident set size of all its processes, in bytes; 0 if not running."""
        with suppress(psutil.Error):
            if self._pid and self.alive():
                first = psutil.Process(self._pid)
                return sum(int(p.memory_info().rss) for p in (first, *first.children(recursive=True)))
        if not self.alive():
            return 0
        with translated(self.name):
            return int(self._container.stats(stream=False)["memory_stats"].get("usage", 0))

    def log_tail(self, lines: int = 40) -> list[str]:
        """The last lines of its output, which covers all starts."""
        if self._container is None:
            return []
        with suppress(APIError, NotFound, OSError):
            return str(self._container.logs(tail=lines).decode("utf-8", "replace")).splitlines()
        return []

    # -- control -------------------------------------------------------------------------------

    async def start(self) -> None:
        """Start, restart or resume it; returns when it is ready.

        Raises:
            StackError: it ended before it was ready, or was not ready in time.
        """
        await asyncio.to_thread(self._launch)
        await wait_until_ready(
            self.name,
            self._probe,
            timeout_s=self._timeout_s,
            died=self.how_it_ended,
            log=lambda: self.log_tail(20),
        )

    async def run(self) -> None:
        """Run a command to its end and remove the container.

        Raises:
            StackError: it failed or took longer than its time-out.
        """
        await asyncio.to_thread(self._launch)
        try:
            async with asyncio.timeout(self._timeout_s):
                ended = await asyncio.to_thread(self._container.wait, timeout=self._timeout_s)
        except (TimeoutError, OSError) as error:
            raise StackError(
                f"{self.name} did not end within {self._timeout_s:g} s", part=self.name
            ) from error
        finally:
            log = self.log_tail(20)
            await asyncio.to_thread(self.remove)
        if (code := ended["StatusCode"]) != 0:
            raise StackError(f"{self.name} ended with exit code {code}{quoted(log)}", part=self.name, log=log)

    def kill(self) -> None:
        """Kill it with SIGKILL; returns when it has ended.

        Raises:
            StackError: it survived SIGKILL.
        """
        with self._lock:
            if self._container is None or not self.alive():
                return
            self._taken_down = True
            # A direct signal takes effect immediately; a call of the engine takes about 0.1 s.
            try:
                os.kill(self._pid, signal.SIGKILL) if self._pid else self._container.kill()
            except (ProcessLookupError, PermissionError):
                with suppress(APIError, NotFound):
                    self._container.kill()
            if self._paused:
                # The engine's freezer (cgroup v1) delays even SIGKILL until it is thawed.
                self._thaw()
            deadline = time.monotonic() + _DEATH_TIMEOUT_S
            while self.alive():
                if time.monotonic() > deadline:
                    raise StackError(f"{self.name} survived SIGKILL", part=self.name)
                time.sleep(_POLL_S)

    def pause(self) -> None:
        """Stop all its processes (SIGSTOP, or the engine's freezer if they cannot be signalled).

        A direct signal takes effect immediately; a call of the engine takes about 0.1 s, in which a service
        that should stop at a message continues.
        """
        with self._lock, translated(self.name):
            if self.alive() and not self._paused:
                self._paused = True
                if not self._signalled(signal.SIGSTOP):
                    self._frozen = True
                    self._container.pause()

    def resume(self) -> None:
        """Resume it; no effect if it is not paused."""
        with self._lock, translated(self.name):
            if self._paused:
                self._thaw()

    def _thaw(self) -> None:
        if self._frozen:
            with suppress(NotFound):
                self._container.unpause()
        else:
            self._signalled(signal.SIGCONT)
        self._paused = self._frozen = False

    def _signalled(self, sign: signal.Signals) -> bool:
        """Send a signal to all its processes; return False if this user may not signal them."""
        if not self._pid:
            return False
        try:
            first = psutil.Process(self._pid)
            for process in (first, *first.children(recursive=True)):
                process.send_signal(sign)
        except psutil.NoSuchProcess:
            return True
        except psutil.Error:
            return False
        return True

    def remove(self) -> None:
        """Remove the container and its volumes; idempotent."""
        with self._lock:
            self._taken_down = True
            if self._container is not None:
                with suppress(NotFound), translated(self.name):
                    self._container.remove(force=True, v=True)
                self._container = None

    def _launch(self) -> None:
        with self._lock, translated(self.name):
            if self._container is None:
                self._container = self._created()
            elif self._paused:
                self.resume()
            elif not self.alive():
                self._container.start()
            self._taken_down = self._paused = False
            self._container.reload()
            pid = int(self._container.attrs["State"].get("Pid") or 0)
            # The pids reported by an engine on another machine may belong to other processes on this one.
            self._pid = pid if pid and Path(f"/proc/{pid}").exists() and _in_container(pid) else 0

    def _created(self) -> Any:
        made = DockerContainer(self.image).with_envs(**self._env)
        if self._command:
            made.with_command(self._command)
        made.with_kwargs(labels=self._labels, **self._place.take(made))
        return made.start().get_wrapped_container()

    def _state(self) -> dict[str, Any]:
        if self._container is None:
            return {}
        try:
            self._container.reload()
        except (APIError, NotFound, OSError):
            return {}
        return dict(self._container.attrs["State"])


def _in_container(pid: int) -> bool:
    """Whether a process of this host is in a container, i.e. in another pid namespace."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/ns/pid").readlink() != Path("/proc/self/ns/pid").readlink()
    return False
