"""Starts a Python service by fork: its libraries are imported once and shared by all its processes.

Every SIGKILL requires a restart, and importing libraries takes most of the start of a Python service. A fork
server (as in `multiprocessing.forkserver` and Gunicorn's `preload_app`) has already imported them; each
process imports only the service's own code.
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
# A fork takes milliseconds; this limit is for an overloaded machine.
_FORK_TIMEOUT_S = 30.0
_STATUS_TIMEOUT_S = 5.0


def forkable(command: Sequence[str]) -> bool:
    """Whether a fork server can run a command, i.e. it has the form `{python} -m MODULE ...`."""
    return len(command) > 2 and command[0] == sys.executable and command[1] == "-m"


class ForkServer:
    """The fork server of a stack. Its children end with it, and it ends with the harness.

    Args:
        modules: the modules to import once, before the first fork.
        directory: its working directory; None for the current one.
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
        """Start the fork server; returns when all modules are imported.

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
        """Fork a child that executes the command.

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
            self._codes.pop(pid, None)  # the exit code of an earlier child with this pid
            return Forked(self, pid, self._starts)

    def code(self, pid: int, start: int, timeout_s: float = 0.0) -> int | None:
        """The exit code of a child, negative for a signal; None if it still runs after `timeout_s`.

        Args:
            start: the number of the fork server's start that created the child.
        """
        deadline = time.monotonic() + timeout_s
        with self._lock:
            while pid not in self._codes:
                if not self._hear(deadline - time.monotonic()):
                    break
            ours = self._channel is not None and start == self._starts
            if pid not in self._codes and not ours and identity(pid) is None:
                return -signal.SIGKILL  # the child ended with its fork server
            return self._codes.get(pid)

    def close(self) -> None:
        """Close the channel after the fork server was killed; idempotent."""
        with self._lock:
            for end in (self._channel, self._theirs):
                if end is not None:
                    end.close()
            self._channel = self._theirs = None

    # -- the channel ---------------------------------------------------------------------------

    def _plug(self) -> int:
        """Open a new channel and return its other end, the standard input of the next start."""
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
        """Read one message; return False if none arrived in time or the channel was closed."""
        if self._channel is None:
            return False
        # A socket time-out, because select fails for file descriptors above 1023.
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
    """A child of the fork server, with the interface of a `subprocess.Popen`."""

    def __init__(self, server: ForkServer, pid: int, start: int) -> None:
        self.pid = pid
        self._server = server
        self._start = start
        self._code: int | None = None

    @property
    def returncode(self) -> int | None:
        return self.poll()

    def poll(self) -> int | None:
        """Return the exit code; None while the child runs."""
        if self._code is None:
            self._code = self._server.code(self.pid, self._start)
        if self._code is None and identity(self.pid) is None:
            # The child has ended and the fork server is reaping it: wait for the exit code.
            self._code = self._server.code(self.pid, self._start, _STATUS_TIMEOUT_S)
        return self._code

    def wait(self, timeout: float | None = None) -> int:
        """Wait until the child has ended and return its exit code.

        Raises:
            subprocess.TimeoutExpired: it has not ended after `timeout` seconds.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        while (code := self.poll()) is None:
            if deadline is not None and time.monotonic() > deadline:
                raise subprocess.TimeoutExpired([str(self.pid)], timeout or 0.0)
            self._code = self._server.code(self.pid, self._start, _POLL_S)
        return code

    def send_signal(self, number: int) -> None:
        """Send a signal to the child, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)
