"""A cache of data directories: fresh ones from initdb, and ones with the migrated template.

A stack starts on a copy. The key of a migrated data directory is a digest of everything that determines it
(PostgreSQL's build, roles, commands, the content of the migrations), so that a change creates a new one.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from filelock import AsyncFileLock

from overbooked.descriptor import Descriptor
from overbooked.errors import ConfigError, StackError
from overbooked.stacks.base.paths import explain_full_disk
from overbooked.stacks.processes.environment import for_process
from overbooked.stacks.processes.nameless import run_with_name
from overbooked.stacks.servers.binaries import PostgresPrograms
from overbooked.stacks.servers.database import SUPERUSER

# Increment when the creation of clusters changes.
_FORMAT = 2
_KEPT = 6
_LOCK_TIMEOUT_S = 180
_INITDB_TIMEOUT_S = 120
_COPY_TIMEOUT_S = 60


@dataclass(frozen=True, slots=True)
class Cluster:
    """A stopped data directory and its superuser's password."""

    data: Path
    password: str


class ClusterCache:
    """The cached data directories under a folder.

    Hold `lock` while a cluster is created or copied, so that no other process removes or creates it.
    """

    def __init__(self, folder: Path, programs: PostgresPrograms) -> None:
        self._folder = folder
        self._programs = programs
        with explain_full_disk():
            folder.mkdir(exist_ok=True)
        self.lock = AsyncFileLock(folder / "lock", timeout=_LOCK_TIMEOUT_S, thread_local=False)

    def find(self, key: str) -> Cluster | None:
        """Return the cached cluster with this key; None if there is none."""
        place = self._folder / key
        try:
            password = str(json.loads((place / "secret.json").read_text(encoding="utf-8"))["password"])
        except (OSError, ValueError, KeyError):
            return None
        os.utime(place)  # the least recently used are removed first
        return Cluster(place / "data", password)

    async def fresh(self) -> Cluster:
        """Return the cluster as initdb creates it; create it if it is missing.

        Raises:
            StackError: initdb failed.
        """
        key = f"fresh-{_digest(_FORMAT, self._programs.release, self._owner())}"
        if kept := self.find(key):
            return kept
        draft = self.draft()
        password = secrets.token_hex(16)
        await asyncio.to_thread(self._initdb, draft, password)
        return self.keep(draft, key, password)

    def draft(self) -> Path:
        """Create a folder for a new cluster and remove abandoned ones; the caller holds the lock."""
        for left in self._folder.glob(".draft-*"):
            shutil.rmtree(left, ignore_errors=True)
        draft = self._folder / f".draft-{secrets.token_hex(4)}"
        with explain_full_disk():
            draft.mkdir()
            draft.chmod(0o755)
        return draft

    def keep(self, draft: Path, key: str, password: str) -> Cluster:
        """Store a draft's `data` under a key, and remove the least recently used clusters."""
        place = self._folder / key
        with explain_full_disk():
            secret = draft / "secret.json"
            secret.touch(mode=0o600)
            secret.write_text(json.dumps({"password": password}), encoding="utf-8")
            shutil.rmtree(place, ignore_errors=True)
            draft.rename(place)
        kept = sorted((p for p in self._folder.iterdir() if p.is_dir()), key=lambda p: -p.stat().st_mtime)
        for old in kept[_KEPT:]:
            shutil.rmtree(old, ignore_errors=True)
        return Cluster(place / "data", password)

    async def copy(self, cluster: Cluster, target: Path) -> None:
        """Copy a cluster's data directory, including owner and modes.

        Raises:
            StackError: the copy failed, e.g. because the disk is full.
        """

        def run() -> None:
            done = subprocess.run(
                ["cp", "-a", str(cluster.data), str(target)],
                capture_output=True,
                text=True,
                timeout=_COPY_TIMEOUT_S,
                check=False,
            )
            if done.returncode:
                raise StackError(_copy_failed(done.stderr, target), part="postgres")

        await asyncio.to_thread(run)

    def _initdb(self, draft: Path, password: str) -> None:
        data = draft / "data"
        data.mkdir(mode=0o700)
        account = self._programs.account
        if account:
            os.chown(data, account.uid, account.gid)
        # initdb reads the password from a file; a pipe leaves no file on disk.
        reading, writing = os.pipe()
        os.write(writing, password.encode("ascii") + b"\n")
        os.close(writing)
        command = [
            *run_with_name(self._programs.namesake),
            str(self._programs.initdb),
            "-D",
            str(data),
            "-U",
            SUPERUSER,
            "--encoding=UTF8",
            "--locale=C",
        ]
        command += ["--auth=scram-sha-256", f"--pwfile=/dev/fd/{reading}", "--no-sync", "--no-instructions"]
        try:
            if account:
                os.fchown(reading, account.uid, account.gid)
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                pass_fds=(reading,),
                cwd=draft,
                timeout=_INITDB_TIMEOUT_S,
                env=for_process({"LC_ALL": "C"}),
                check=False,
                user=account.uid if account else None,
                group=account.gid if account else None,
                extra_groups=[] if account else None,
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise StackError(f"initdb cannot be run: {error}", part="postgres") from error
        finally:
            os.close(reading)
        if done.returncode:
            lines = done.stdout.strip().splitlines()[-12:]
            shutil.rmtree(draft, ignore_errors=True)
            raise StackError(
                "initdb failed" + "".join(f"\n    {line}" for line in lines), part="postgres", log=lines
            )

    def _owner(self) -> int:
        return self._programs.account.uid if self._programs.account else os.geteuid()

    def migrated_key(self, descriptor: Descriptor) -> str | None:
        """The key of the migrated cluster; None if the descriptor names no migration files.

        Raises:
            ConfigError: a path of `[database] migrations` does not exist.
        """
        database = descriptor.database
        if database is None or not database.migrations:
            return None
        content = _digest(*_contents(descriptor.root, database.migrations))
        said = database.model_dump_json()
        return f"migrated-{_digest(_FORMAT, self._programs.release, self._owner(), said, content)}"


def _contents(root: Path, paths: tuple[str, ...]) -> Iterator[str]:
    for path in paths:
        top = root / path
        if not top.exists():
            raise ConfigError(f"[database] migrations names {top}, which does not exist")
        for file in sorted(p for p in (top, *top.rglob("*")) if p.is_file() and p.suffix != ".pyc"):
            yield f"{file.relative_to(root)} {hashlib.sha256(file.read_bytes()).hexdigest()}"


def _digest(*parts: object) -> str:
    return hashlib.sha256("\0".join(map(str, parts)).encode()).hexdigest()[:16]


def _copy_failed(output: str, target: Path) -> str:
    last = (output.strip().splitlines() or ["cp gave no reason"])[-1]
    if "No space left" in output or "quota" in output.lower():
        return f"no disk space: copying the database to {target} failed; free some, or set [stack] state_dir"
    return f"the database's template cannot be copied to {target}: {last}"
