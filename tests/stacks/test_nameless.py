"""A user id without a passwd entry: initdb runs all the same, or one line says what to do."""

from __future__ import annotations

import asyncio
import concurrent.futures.thread  # noqa: F401 - a child without a name may be unable to read it
import os
import pwd
import shutil
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest

from overbooked.errors import StackError
from overbooked.stacks.base import paths
from overbooked.stacks.base.settings import StackSettings
from overbooked.stacks.doctor import CheckState, examine
from overbooked.stacks.embedded.clusters import ClusterCache
from overbooked.stacks.processes import nameless
from overbooked.stacks.processes.nameless import has_name, run_with_name
from overbooked.stacks.servers.binaries import PostgresPrograms, prepare_postgres

NAMELESS = next(uid for uid in range(54_321, 60_000) if not has_name(uid))


def as_nameless(what: Callable[[], None]) -> str:
    """Call it in a child without a name; returns what was raised there."""
    reading, writing = os.pipe()
    if (pid := os.fork()) == 0:
        try:
            os.setgroups([])
            os.setgid(NAMELESS)
            os.setuid(NAMELESS)
            what()
        except BaseException:
            os.write(writing, traceback.format_exc().encode()[-4000:])
        os._exit(0)
    os.close(writing)
    os.waitpid(pid, 0)
    with os.fdopen(reading) as said:
        return said.read()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become a user without a name")
def test_initdb_runs_for_a_user_id_without_a_name(ground: Path, settings: StackSettings) -> None:
    cache = ground / "cache"
    cache.mkdir(exist_ok=True)
    cache.chmod(0o755)
    programs = PostgresPrograms(*_folder_and_release(prepare_postgres(settings, cache)), None)
    folder = ground / "nameless"
    folder.mkdir()
    os.chown(folder, NAMELESS, NAMELESS)

    def make() -> None:
        made = asyncio.run(ClusterCache(folder, programs).fresh())
        assert (made.data / "PG_VERSION").exists()
        assert made.data.stat().st_uid == NAMELESS

    assert as_nameless(make) == ""
    shutil.rmtree(folder)


def _folder_and_release(programs: PostgresPrograms) -> tuple[Path, str]:
    return programs.folder, programs.release


@pytest.fixture
def without_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: NAMELESS)
    for name in ("LD_PRELOAD", "NSS_WRAPPER_PASSWD"):
        monkeypatch.delenv(name, raising=False)


def test_without_user_namespaces_one_line_says_what_to_do(
    without_a_name: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(StackError) as refused:
        run_with_name("nobody")
    assert f"user id {NAMELESS} has no passwd entry" in str(refused.value)
    assert ">> /etc/passwd" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_where_the_kernel_refuses_the_namespace_it_is_not_used(
    without_a_name: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    refusing = tmp_path / "unshare"
    refusing.write_text("#!/bin/sh\necho 'unshare failed: Operation not permitted' >&2; exit 1\n")
    refusing.chmod(0o755)
    monkeypatch.setattr(shutil, "which", lambda _: str(refusing))
    with pytest.raises(StackError, match="no passwd entry"):
        run_with_name("nobody")


def test_doctor_says_it_too(without_a_name: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(nameless, "_namespace", lambda _: [])
    monkeypatch.setattr(paths, "_ours_alone", lambda _: None)
    settings = StackSettings(state_dir=tmp_path / "state", cache_dir=tmp_path / "cache")
    found = {check.name: check for check in examine(settings)}["PostgreSQL"]
    assert found.state is CheckState.MISSING
    assert "no passwd entry" in found.found
    assert "/etc/passwd" in found.advice


def test_a_user_with_a_name_needs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: pwd.getpwnam("nobody").pw_uid)
    assert run_with_name("nobody") == []


def test_without_a_home_the_stacks_files_go_to_the_temporary_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def homeless(*_: object) -> Path:
        raise RuntimeError("could not determine the home directory")

    monkeypatch.setattr(paths.platformdirs, "user_state_path", homeless)
    monkeypatch.setattr(paths.platformdirs, "user_cache_path", homeless)
    monkeypatch.setattr(os, "geteuid", lambda: NAMELESS)
    monkeypatch.setattr(paths, "_ours_alone", lambda _: None)
    monkeypatch.setattr(paths.tempfile, "gettempdir", lambda: str(tmp_path))
    place = tmp_path / f"overbooked-{os.getuid()}"
    assert paths.places(StackSettings()) == paths.StackPaths(place / "stacks", place)
