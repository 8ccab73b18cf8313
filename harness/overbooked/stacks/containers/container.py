"""One container of a stack: started, watched, killed, paused and started again."""

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
from overbooked.stacks.containers.placement import Place

_DEATH_TIMEOUT_S = 15.0
_POLL_S = 0.02


class ContainerProcess:
    """A container with fixed ports; satisfies `overbooked.stacks.base.protocol.Process`.

    Args:
        image, command, env: what to run; an empty command is the image's own.
        place: where it stands in the stack's network.
        labels: whose it is.
        probe: says when it is ready.
    """

    def __init__(
        self,
        name: str,
        image: str,
        *,
        command: Sequence[str] = (),
        env: Mapping[str, str] | None = None,
        place: Place,
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
        # A tripwire kills from the relay's thread.
        self._lock = threading.RLock()

    # -- what it is ----------------------------------------------------------------------------

    @property
    def pid(self) -> int | None:
        """Its first process as this host sees it, where the engine runs on this host."""
        return self._pid or None if self.alive() else None

    @property
    def paused(self) -> bool:
        return self._paused

    def alive(self) -> bool:
        """Whether it runs; a paused one does."""
        return self._state().get("Running", False) is True

    def how_it_ended(self) -> str:
        """How it ended on its own, empty while it runs or when we ended it."""
        if self._taken_down or self._container is None:
            return ""
        state = self._state()
        if state.get("Running", False):
            return ""
        return f"ended with exit code {state.get('ExitCode', '?')}"

    def memory_bytes(self) -> int:
        """Resident set size of all its processes now; 0 when it does not run."""
        with suppress(psutil.Error):
            if self._pid and self.alive():
                first = psutil.Process(self._pid)
                return sum(int(p.memory_info().rss) for p in (first, *first.children(recursive=True)))
        if not self.alive():
            return 0
        with translated(self.name):
            return int(self._container.stats(stream=False)["memory_stats"].get("usage", 0))

    def log_tail(self, lines: int = 40) -> list[str]:
        """The last lines it wrote, over all its starts."""
        if self._container is None:
            return []
        with suppress(APIError, NotFound, OSError):
            return str(self._container.logs(tail=lines).decode("utf-8", "replace")).splitlines()
        return []

    # -- what can be done to it ----------------------------------------------------------------

    async def start(self) -> None:
        """Start it, or start it again; returns when it is ready.

        Raises:
            StackError: it ended at once or was not ready in time.
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
        """Run it to its end, for a command that has one, and remove it.

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
        """SIGKILL; returns when it is gone.

        Raises:
            StackError: it would not die.
        """
        with self._lock:
            if self._container is None or not self.alive():
                return
            self._taken_down = True
            # A signal of our own is there at once; the engine takes a tenth of a second.
            try:
                os.kill(self._pid, signal.SIGKILL) if self._pid else self._container.kill()
            except (ProcessLookupError, PermissionError):
                with suppress(APIError, NotFound):
                    self._container.kill()
            if self._paused:
                # The engine's freezer (cgroup v1) keeps even SIGKILL waiting until it thaws.
                self._thaw()
            deadline = time.monotonic() + _DEATH_TIMEOUT_S
            while self.alive():
                if time.monotonic() > deadline:
                    raise StackError(f"{self.name} survived SIGKILL", part=self.name)
                time.sleep(_POLL_S)

    def pause(self) -> None:
        """Stop all its processes (SIGSTOP; the engine's freezer where they are not to be reached).

        Our own signals are there at once; the engine takes a tenth of a second, in which a service
        that is to stop at a message does a great deal more.
        """
        with self._lock, translated(self.name):
            if self.alive() and not self._paused:
                self._paused = True
                if not self._signalled(signal.SIGSTOP):
                    self._frozen = True
                    self._container.pause()

    def resume(self) -> None:
        """Let a paused one go on; without effect on another."""
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
        """Whether all its processes got our signal; False: they are not ours to signal."""
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
        """Remove it and what it stored; idempotent."""
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
            # An engine on another machine tells pids that are somebody else's here.
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
    """Whether a pid of this host is in another pid namespace than ours, so a container's."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/ns/pid").readlink() != Path("/proc/self/ns/pid").readlink()
    return False
