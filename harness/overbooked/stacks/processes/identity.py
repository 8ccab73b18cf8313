"""Which process a pid means: pids are used again, a pid with its start time is not."""

from __future__ import annotations

import functools
import os
import sys
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

import psutil

_POLL_S = 0.002
_PF_EXITING = 0x4
_STANDING = frozenset({psutil.STATUS_STOPPED, psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD})


def identity(pid: int) -> str | None:
    """What tells this process from any later one with the same pid; None when it has ended.

    On Linux the boot and the clock tick at which it started (proc_pid_stat(5), field 22), which
    unlike a wall-clock start time does not move when the clock is set. A zombie has ended.
    """
    if sys.platform != "linux":
        try:
            return repr(psutil.Process(pid).create_time())
        except psutil.Error:
            return None
    fields = _stat(pid)
    if not fields or fields[0] in "ZX":
        return None
    return f"{_boot()}/{fields[19]}"


def is_exiting(pid: int) -> bool:
    """Whether it is on its way out: its sockets may be closed already, but it cannot be reaped yet."""
    fields = _stat(pid)
    return bool(fields) and bool(int(fields[6]) & _PF_EXITING)


def _stat(pid: int) -> list[str]:
    """The fields of proc_pid_stat(5) from the third (state) on; none where there is no such file."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return []
    return stat[stat.rindex(")") + 2 :].split()  # the name before may contain anything


@functools.cache
def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return "unknown"


def descendants(pid: int) -> list[int]:
    """Every process that `pid` started, directly or not, parents before their children."""
    try:
        found = [
            int(child)
            for tasks in Path(f"/proc/{pid}/task").iterdir()
            for child in (tasks / "children").read_text(encoding="ascii").split()
        ]
    except OSError:
        return _searched(pid)
    return [one for child in found for one in (child, *descendants(child))]


def _searched(pid: int) -> list[int]:
    """The slow way, for kernels that keep no list of children."""
    try:
        return [child.pid for child in psutil.Process(pid).children(recursive=True)]
    except psutil.Error:
        return []


def wait_until_stopped(pids: Iterable[int], timeout_s: float) -> None:
    """Wait until SIGSTOP has arrived everywhere, or the deadline passes (a process deep in the kernel)."""
    deadline = time.monotonic() + timeout_s
    for pid in pids:
        with suppress(psutil.Error):
            while psutil.Process(pid).status() not in _STANDING and time.monotonic() < deadline:
                time.sleep(_POLL_S)


def namespace() -> str:
    """The boot and pid namespace in which our pids mean anything; empty where there are none."""
    try:
        return f"{_boot()}/{Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return ""


def own_identity() -> str:
    """The identity of this very process."""
    return identity(os.getpid()) or ""


def wait_until_gone(processes: Mapping[int, str], timeout_s: float) -> list[int]:
    """Wait for processes (pid to identity), children of ours or not; returns those still there.

    A zombie is gone: who must reap it is not always quick, and it holds nothing any more.
    """
    deadline = time.monotonic() + timeout_s
    left = list(processes)
    while left := [pid for pid in left if is_running(pid, processes[pid])]:
        if time.monotonic() > deadline:
            break
        time.sleep(_POLL_S)
    return left


def is_running(pid: int, expected: str) -> bool:
    """Whether `pid` is still the process that had this identity."""
    return bool(expected) and identity(pid) == expected
