"""Starts of a Python service by fork: what it imports is loaded once and shared by its starts.

A kill -9 costs a start, and most of a Python service's start is the import of its libraries. A fork
server (the way of `multiprocessing.forkserver` and of Gunicorn's `preload_app`) has them loaded;
the service's own code is imported by each start anew.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from overbooked.errors import StackError
from overbooked.stacks.embedded import forkserver
from overbooked.stacks.processes.identity import identity
from overbooked.stacks.processes.ownership import Ownership
from overbooked.stacks.processes.process import LocalProcess

_POLL_S = 0.05
# A fork takes milliseconds; this is for a machine that stands still.
_FORK_TIMEOUT_S = 30.0
_STATUS_TIMEOUT_S = 5.0


def forkable(command: Sequence[str]) -> bool:
    """Whether a command is one that a fork server can become: `{python} -m MODULE ...`."""
    return len(command) > 2 and command[0] == sys.executable and command[1] == "-m"


class ForkServer:
    """One fork server of a stack. Its children end with it, and it ends with the harness.

    Args:
        modules: loaded once, before the first fork.
        directory: where it is loaded; None for ours.
    """

    def __init__(
        self,
        modules: Sequence[str],
        *,
        ownership: Ownership,
        log: Path,
        timeout_s: float,
        directory: Path | None = None,
    ) -> None:
        self._lock = threading.RLock()
        self._codes: dict[int, int] = {}
        self._said: dict[str, Any] = {}
        self._channel: socket.socket | None = None
        self._starts = 0
        self._directory = directory
        self._theirs: socket.socket | None = None
        self.process = LocalProcess(
            "forkserver",
            [sys.executable, str(forkserver.__file__), *modules],
            ownership=ownership,
            log=log,
            probe=self._ready,
            timeout_s=timeout_s,
            directory=directory,
            stdin=self._plug,
        )

    async def start(self) -> None:
        """Start it; returns when everything is loaded.

        Raises:
            StackError: a module cannot be preloaded, or it took too long.
        """
        await self.process.start()

    def launch(
        self,
        command: Sequence[str],
        *,
        name: str,
        env: Mapping[str, str],
        directory: Path | None,
        log: Path,
        death_signal: signal.Signals,
    ) -> Forked:
        """Fork once, the child becoming the command.

        Raises:
            StackError: the fork server does not run or does not answer.
        """
        request = {
            "name": name,
            "module": command[2],
            "arguments": list(command[3:]),
            "env": dict(env),
            "directory": str(directory or Path.cwd()),
            "log": str(log),
            "death_signal": int(death_signal),
        }
        with self._lock:
            self._said.pop("started", None)
            deadline = time.monotonic() + _FORK_TIMEOUT_S
            try:
                if self._channel is None:
                    raise OSError("it does not run")
                self._channel.settimeout(_FORK_TIMEOUT_S)
                self._channel.send(json.dumps(request).encode())
                while "started" not in self._said:
                    if not self._hear(deadline - time.monotonic()):
                        raise OSError("it does not answer")
            except OSError as error:
                raise StackError(f"{name}: the fork server cannot start it: {error}", part=name) from error
            pid = int(self._said.pop("started"))
            self._codes.pop(pid, None)  # of an earlier child that had this pid
            return Forked(self, pid, self._starts)

    def code(self, pid: int, start: int, timeout_s: float = 0.0) -> int | None:
        """The exit code of a child, negative for a signal; None while it has none after so long.

        Args:
            start: which start of the fork server it is a child of.
        """
        deadline = time.monotonic() + timeout_s
        with self._lock:
            while pid not in self._codes:
                if not self._hear(deadline - time.monotonic()):
                    break
            ours = self._channel is not None and start == self._starts
            if pid not in self._codes and not ours and identity(pid) is None:
                return -signal.SIGKILL  # it ended with its fork server
            return self._codes.get(pid)

    def close(self) -> None:
        """Let go of the channel, once the fork server was killed; safe to repeat."""
        with self._lock:
            for end in (self._channel, self._theirs):
                if end is not None:
                    end.close()
            self._channel = self._theirs = None

    # -- what is said --------------------------------------------------------------------------

    def _plug(self) -> int:
        """The standard input of a start: the other end of a new channel."""
        for old in (self._channel, self._theirs):
            if old is not None:
                old.close()
        self._channel, self._theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._said.clear()
        self._starts += 1
        return self._theirs.fileno()

    async def _ready(self) -> str:
        if self._theirs is not None:
            self._theirs.close()
            self._theirs = None
        with self._lock:
            while self._hear(0.0):
                pass
            return "" if self._said.get("ready") else "it is still loading"

    def _hear(self, timeout_s: float) -> bool:
        """Take in one message; False when none came in time or nobody speaks any more."""
        if self._channel is None:
            return False
        # Not by select, which knows no file descriptor above a thousand.
        self._channel.settimeout(max(0.0, timeout_s))
        try:
            message = self._channel.recv(forkserver.MESSAGE_BYTES)
        except (BlockingIOError, TimeoutError):
            return False
        except OSError:
            message = b""
        if not message:
            self._channel.close()
            self._channel = None
            return False
        said = json.loads(message)
        if "ended" in said:
            self._codes[said["ended"]] = said["code"]
        else:
            self._said.update(said)
        return True


class Forked:
    """A child of the fork server, spoken to as to a `subprocess.Popen`."""

    def __init__(self, server: ForkServer, pid: int, start: int) -> None:
        self.pid = pid
        self._server = server
        self._start = start
        self._code: int | None = None

    @property
    def returncode(self) -> int | None:
        return self.poll()

    def poll(self) -> int | None:
        """Its exit code; None while it runs."""
        if self._code is None:
            self._code = self._server.code(self.pid, self._start)
        if self._code is None and identity(self.pid) is None:
            # It has ended and is being reaped: the word of it is under way.
            self._code = self._server.code(self.pid, self._start, _STATUS_TIMEOUT_S)
        return self._code

    def wait(self, timeout: float | None = None) -> int:
        """Wait until it has ended.

        Raises:
            subprocess.TimeoutExpired: it has not, in so many seconds.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        while (code := self.poll()) is None:
            if deadline is not None and time.monotonic() > deadline:
                raise subprocess.TimeoutExpired([str(self.pid)], timeout or 0.0)
            self._code = self._server.code(self.pid, self._start, _POLL_S)
        return code

    def send_signal(self, number: int) -> None:
        """Send it a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)
