"""Runs initdb under a user id without a passwd entry, as container platforms assign it.

PostgreSQL's server accepts such a user id, but initdb does not. So initdb runs in a user namespace in which
the user id is mapped to one with a name, if the kernel allows unprivileged namespaces. Otherwise the error
says what to do.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess

from overbooked.errors import StackError
from overbooked.stacks.processes.environment import for_process

_TIMEOUT_S = 10


def has_name(uid: int) -> bool:
    """Whether the user id has a passwd entry."""
    try:
        pwd.getpwuid(uid)
    except KeyError:
        return False
    return True


def run_with_name(user: str) -> list[str]:
    """The command prefix under which initdb's user id has a name; empty if none is needed.

    Args:
        user: the user name to map to; it has a passwd entry.

    Raises:
        StackError: the user id has no name and cannot be mapped to one.
    """
    uid = os.geteuid()
    if uid == 0 or has_name(uid) or _known_to_initdb():
        return []
    before = _namespace(user)
    if before and _works(before):
        return before
    entry = f"overbooked:x:{uid}:{os.getegid()}::/tmp:/bin/sh"
    raise StackError(
        f"user id {uid} has no passwd entry, which PostgreSQL's initdb needs, and this machine allows no "
        f"user namespace; add one in the image or as root (echo '{entry}' >> /etc/passwd), run as a user "
        "that has one, or use nss_wrapper",
        part="postgres",
    )


def _namespace(user: str) -> list[str]:
    unshare = shutil.which("unshare")
    try:
        mapped = pwd.getpwnam(user).pw_uid
    except KeyError:
        return []
    return [unshare, "--user", f"--map-user={mapped}", "--"] if unshare and mapped else []


def _known_to_initdb() -> bool:
    """Whether nss_wrapper gives the user id a name in child processes."""
    return "LD_PRELOAD" in for_process({}) and _works([])


def _works(before: list[str]) -> bool:
    try:
        done = subprocess.run(
            [*before, "id", "-un"],
            env=for_process({}),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0
