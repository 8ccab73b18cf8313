"""Folders for stacks and cache: found, usable by PostgreSQL's user, with space left."""

import errno
import os
from pathlib import Path

import platformdirs
import pytest

from overbooked.errors import ConfigError, StackError
from overbooked.stacks.base import paths
from overbooked.stacks.base.paths import explain_full_disk, places, require_space
from overbooked.stacks.base.settings import StackSettings


def test_the_folders_of_the_settings_are_made(ground: Path) -> None:
    found = places(StackSettings(state_dir=ground / "a" / "state", cache_dir=ground / "a" / "cache"))
    assert found.stacks == ground / "a" / "state" / "stacks"
    assert found.stacks.is_dir()
    assert found.cache.is_dir()


@pytest.mark.skipif(os.geteuid() != 0, reason="another user runs PostgreSQL only where we are root")
def test_a_folder_that_the_other_user_cannot_enter_is_refused(ground: Path) -> None:
    private = ground / "private"
    private.mkdir(mode=0o700)
    with pytest.raises(ConfigError, match=r"state_dir cannot be used.*cannot be entered by the user"):
        places(StackSettings(state_dir=private / "state", cache_dir=ground / "cache"))


def test_a_folder_that_is_a_file_is_refused(ground: Path) -> None:
    (ground / "file").touch()
    with pytest.raises(ConfigError, match="cache_dir cannot be used"):
        places(StackSettings(state_dir=ground / "state", cache_dir=ground / "file"))


def test_without_a_usable_home_the_temporary_folder_serves(
    ground: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (ground / "no-home").touch()
    monkeypatch.setattr(paths.os, "geteuid", os.getuid)
    for name in ("user_state_path", "user_cache_path", "site_cache_path"):
        monkeypatch.setattr(platformdirs, name, lambda _: ground / "no-home" / "x")
    monkeypatch.setattr(paths.tempfile, "gettempdir", lambda: str(ground / "temporary"))
    found = places(StackSettings(state_dir=ground / "state"))
    assert found.cache == ground / "temporary" / f"overbooked-{os.getuid()}"


def test_no_folder_at_all_names_the_setting(ground: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (ground / "nothing").touch()
    for name in ("user_cache_path", "site_cache_path"):
        monkeypatch.setattr(platformdirs, name, lambda _: ground / "nothing" / "x")
    monkeypatch.setattr(paths.tempfile, "gettempdir", lambda: str(ground / "nothing"))
    with pytest.raises(StackError, match=r"set \[stack\] cache_dir"):
        places(StackSettings(state_dir=ground / "state"))


def test_a_folder_of_somebody_else_is_refused(ground: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.geteuid()
    monkeypatch.setattr(paths.os, "geteuid", lambda: real + 1)
    with pytest.raises(ConfigError, match="belongs to another user"):
        places(StackSettings(state_dir=ground / "theirs", cache_dir=ground / "cache"))


def test_too_little_space_is_said_with_numbers(ground: Path) -> None:
    require_space(ground, 0)
    with pytest.raises(StackError, match=r"no disk space: \d+ MB free at .*, 1000000000 MB needed"):
        require_space(ground, 10**9)


def test_a_full_disk_is_told_in_one_line_whoever_notices() -> None:
    said = r"no disk space: writing at /x failed \(No space left on device\)"
    with pytest.raises(StackError, match=said), explain_full_disk():
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/x")


def test_a_part_that_ran_out_of_space_is_told_by_its_log() -> None:
    log = ["starting", "FATAL:  could not write to file: No space left on device"]
    with (
        pytest.raises(StackError, match=r"no disk space: postgres says 'FATAL:") as caught,
        explain_full_disk(),
    ):
        raise StackError("postgres ended with exit code 1", part="postgres", log=log)
    assert "\n" not in str(caught.value)
    assert caught.value.part == "disk"


def test_any_other_failure_of_a_part_stays_what_it_is() -> None:
    with pytest.raises(StackError, match=r"^postgres ended$"), explain_full_disk():
        raise StackError("postgres ended", part="postgres", log=["FATAL: something else"])


def test_any_other_failure_stays_what_it_is() -> None:
    with pytest.raises(FileNotFoundError), explain_full_disk():
        raise FileNotFoundError(errno.ENOENT, "no such file")
