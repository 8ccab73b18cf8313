"""Identifies a process by pid and start time, because the kernel reuses pids."""

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
    """Return a string that identifies a process among all with the same pid; None if it has ended.

    On Linux it consists of the boot id and the clock tick of the start (proc_pid_stat(5), field 22), which,
    unlike a wall-clock time, does not change when the clock is set. A zombie counts as ended.
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
    """Whether the process is exiting: its sockets may be closed already, but it cannot be reaped yet."""
    fields = _stat(pid)
    return bool(fields) and bool(int(fields[6]) & _PF_EXITING)


def _stat(pid: int) -> list[str]:
    """The fields of proc_pid_stat(5) from the third (state) on; empty if there is no such process."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return []
    return stat[stat.rindex(")") + 2 :].split()  # the second field, the name, may contain any character


@functools.cache
def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return "unknown"


def descendants(pid: int) -> list[int]:
    """All descendants of a process; parents precede their children."""
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
    """Find descendants by searching all processes, for kernels without a list of children."""
    try:
        return [child.pid for child in psutil.Process(pid).children(recursive=True)]
    except psutil.Error:
        return []


def wait_until_stopped(pids: Iterable[int], timeout_s: float) -> None:
    """Wait until all processes are stopped, or the deadline passes (e.g. uninterruptible system calls)."""
    deadline = time.monotonic() + timeout_s
    for pid in pids:
        with suppress(psutil.Error):
            while psutil.Process(pid).status() not in _STANDING and time.monotonic() < deadline:
                time.sleep(_POLL_S)


def namespace() -> str:
    """The boot and pid namespace in which this process's pids are valid; empty if unknown."""
    try:
        return f"{_boot()}/{Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return ""


def own_identity() -> str:
    """The identity of the current process."""
    return identity(os.getpid()) or ""


def wait_until_gone(processes: Mapping[int, str], timeout_s: float) -> list[int]:
    """Wait for processes (pid to identity) to end; return the pids of those still running.

    They need not be children of this process. A zombie counts as ended, since it holds no resources.
    """
    deadline = time.monotonic() + timeout_s
    left = list(processes)
    while left := [pid for pid in left if is_running(pid, processes[pid])]:
        if time.monotonic() > deadline:
            break
        time.sleep(_POLL_S)
    return left


def is_running(pid: int, expected: str) -> bool:
    """Whether `pid` is still the process with this identity."""
    return bool(expected) and identity(pid) == expected
