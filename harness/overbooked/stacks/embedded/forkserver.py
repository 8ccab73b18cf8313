"""A process that has imported a service's libraries and forks a service process on request.

It runs as a file, `python forkserver.py MODULE...`; its standard input is a socket (AF_UNIX, SOCK_SEQPACKET)
that carries requests, one JSON object per message. It imports only the standard library and the given
modules. Its client is `overbooked.stacks.embedded.fork_client`.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import sys
import threading
import time
from pathlib import Path
from typing import Any

MESSAGE_BYTES = 1 << 20
_PR_SET_PDEATHSIG = 1
_PR_SET_NAME = 15


def main(modules: list[str]) -> dict[str, Any] | None:
    """Serve until the channel is closed (returns None); in a child, return the request to execute.

    Exits 1 with one line on stderr if a module cannot be imported or starts a thread.
    """
    channel = socket.socket(fileno=os.dup(0))
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 0)
    os.close(nowhere)
    sys.path[0] = str(Path.cwd())  # as with `python -m`
    for module in modules:
        try:
            importlib.import_module(module)
        except Exception as error:
            sys.exit(f"cannot preload {module}: {type(error).__name__}: {error}")
        if (threads := threading.active_count()) > 1:
            sys.exit(f"cannot preload {module}: it starts threads ({threads - 1}), which a fork would lose")
    # Keep memory pages shared: garbage collection in a child would write to every page that it visits.
    gc.collect()
    gc.freeze()
    libc = ctypes.CDLL(None, use_errno=True)
    woken, wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake)
    _say(channel, {"ready": True})
    while True:
        readable, _, _ = select.select([channel.fileno(), woken], [], [])
        if woken in readable:
            os.read(woken, MESSAGE_BYTES)
            _reap(channel)
        if channel.fileno() in readable:
            message = channel.recv(MESSAGE_BYTES)
            if not message:
                return None
            request: dict[str, Any] = json.loads(message)
            parent, pid = os.getpid(), os.fork()
            if pid == 0:
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                for left in (channel.detach(), woken, wake):
                    os.close(left)
                _become(request, parent, libc)
                return request
            _say(channel, {"started": pid})


def _say(channel: socket.socket, message: dict[str, Any]) -> None:
    try:
        channel.send(json.dumps(message).encode())
    except OSError:  # the channel is closed; the next read returns its end
        return


def _reap(channel: socket.socket) -> None:
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        _say(channel, {"ended": pid, "code": os.waitstatus_to_exitcode(status)})


def _become(request: dict[str, Any], parent: int, libc: ctypes.CDLL) -> None:
    """Give the forked child the state of a newly started process."""
    os.setsid()
    if sys.platform == "linux":
        libc.prctl(_PR_SET_PDEATHSIG, request["death_signal"], 0, 0, 0)
        libc.prctl(_PR_SET_NAME, request["name"].encode()[:15], 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)  # the parent ended before the death signal was set
    log = os.open(request["log"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)
    os.environ.clear()
    os.environ.update(request["env"])
    time.tzset()
    os.chdir(request["directory"])
    sys.path[0] = str(Path.cwd())
    sys.argv = [request["module"], *request["arguments"]]


if __name__ == "__main__":
    if (asked := main(sys.argv[1:])) is not None:
        # At module level, so that the service's call stack starts here and it exits normally.
        runpy.run_module(asked["module"], run_name="__main__", alter_sys=True)
