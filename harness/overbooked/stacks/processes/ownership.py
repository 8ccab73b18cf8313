"""Records the processes of each stack, and removes stacks without a living owner.

A stack's folder contains `owner.json`: its owner (pid and identity) and every process that it started. The
record is the first file and is replaced atomically, so that the next start recognises whatever a killed
harness leaves behind.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from filelock import FileLock, Timeout

from overbooked.stacks.base.paths import explain_full_disk
from overbooked.stacks.processes.identity import (
    descendants,
    identity,
    is_running,
    namespace,
    own_identity,
    wait_until_gone,
)
from overbooked.stacks.processes.shared_memory import forget_segment

# Set in the environment of all processes of a stack, so that descendants can be found too.
MARKER = "OVERBOOKED_STACK"
_RECORD = "owner.json"
_DEATH_TIMEOUT_S = 5.0


@dataclass(slots=True)
class Ownership:
    """The folder of one stack, and the record of its processes."""

    id: str
    directory: Path
    _processes: dict[int, dict[str, Any]] = field(default_factory=dict)

    @classmethod
    def found(cls, stacks: Path) -> Ownership:
        """Create the folder of a new stack, with its record."""
        stack_id = secrets.token_hex(4)
        # Created under a name with the owner's pid, and renamed when it contains the record.
        making = stacks / f".new-{os.getpid()}-{stack_id}"
        with explain_full_disk():
            making.mkdir(mode=0o755)
            making.chmod(0o755)  # independent of the umask: PostgreSQL's user must enter it
            made = cls(stack_id, making)
            made._save()
            directory = stacks / stack_id
            making.rename(directory)
        made.directory = directory
        return made

    def record(self, name: str, pid: int) -> None:
        """Add a process that was just started to the record."""
        self._processes[pid] = {"name": name, "pid": pid, "identity": identity(pid) or ""}
        self._save()

    def forget(self, pid: int) -> None:
        """Remove a process that has ended from the record."""
        if self._processes.pop(pid, None) and self.directory.exists():
            self._save()

    def remove(self) -> None:
        """Remove the folder and everything in it; idempotent."""
        _remove(self.directory)

    def _save(self) -> None:
        record = {
            "owner": {"pid": os.getpid(), "identity": own_identity(), "namespace": namespace()},
            "processes": list(self._processes.values()),
        }
        with explain_full_disk():
            draft = self.directory / f"{_RECORD}.new"
            draft.write_text(json.dumps(record), encoding="utf-8")
            draft.replace(self.directory / _RECORD)


@dataclass(frozen=True, slots=True)
class Leftover:
    """A stack without a living owner: its folder and its running processes."""

    id: str
    directory: Path
    pids: tuple[int, ...]


def leftovers(stacks: Path) -> list[Leftover]:
    """Find the stacks under this folder that have no living owner."""
    return list(_orphans(stacks))


def sweep(stacks: Path) -> list[str]:
    """Remove every stack that has no living owner; return the ids of the removed stacks.

    A process is killed only if its pid and identity are recorded, if it descends from such a process, or if
    its environment contains the id of the dead stack. Stacks of a living owner are not changed. Only one
    sweep runs at a time; if another one keeps the lock for ten seconds, this one returns.
    """
    swept = []
    with suppress(Timeout), FileLock(stacks.parent / "sweep.lock", timeout=10):
        for orphan in _orphans(stacks):
            identities = {pid: identity(pid) or "" for pid in orphan.pids}
            for pid in orphan.pids:
                with suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL)
            wait_until_gone(identities, _DEATH_TIMEOUT_S)
            forget_segment(orphan.directory / "postgres")
            _remove(orphan.directory)
            swept.append(orphan.id)
    return swept


def _orphans(stacks: Path) -> Iterator[Leftover]:
    if not stacks.is_dir():
        return
    marked: dict[str, list[int]] | None = None
    for directory in sorted(stacks.iterdir()):
        if directory.name.startswith(".new-"):
            if identity(int(directory.name.split("-")[1])) is None:
                yield Leftover(directory.name, directory, ())
            continue
        record = _read(directory / _RECORD)
        if record is None:
            continue  # not a stack's folder, or removed by now
        owner = record["owner"]
        if is_running(owner["pid"], owner["identity"]) or _elsewhere(owner["namespace"]):
            continue
        if marked is None:
            marked = _marked()
        pids = {p["pid"] for p in record["processes"] if is_running(p["pid"], p["identity"])}
        pids |= {child for pid in pids for child in descendants(pid)}
        pids |= set(marked.get(directory.name, ()))
        yield Leftover(directory.name, directory, tuple(sorted(pids - {os.getpid()})))


def _read(path: Path) -> dict[str, Any] | None:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        owner = found["owner"]
        found["owner"] = {
            "pid": int(owner["pid"]),
            "identity": str(owner["identity"]),
            "namespace": str(owner["namespace"]),
        }
        found["processes"] = [
            {"pid": int(p["pid"]), "identity": str(p["identity"])} for p in found["processes"]
        ]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return dict(found)


def _elsewhere(theirs: str) -> bool:
    """Whether the owner ran in another container on this machine, so that its pids cannot be checked."""
    boot, _, _ = namespace().partition("/")
    return theirs != namespace() and theirs.partition("/")[0] == boot


def _marked() -> dict[str, list[int]]:
    """Running processes by the stack id in their environment, as far as it is readable."""
    found: dict[str, list[int]] = {}
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if stack := process.environ().get(MARKER):
                found.setdefault(stack, []).append(process.pid)
    return found


def _remove(directory: Path) -> None:
    shutil.rmtree(directory, ignore_errors=True)
    if directory.exists():  # an ending process wrote into it again
        shutil.rmtree(directory, ignore_errors=True)
