"""Files of bundles: written atomically, never over another one; the oldest are deleted."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from overbooked.bundles import files as bundle_files
from overbooked.bundles.files import BundleNotWritten, prune, write_bundle
from overbooked.bundles.reader import read_bundle
from tests.bundles.test_schema import bundle, long_bundle

ROOMY = 10**6


def written(folder: Path, name: str = "SYS-03.a", **more: Any) -> Path:
    return write_bundle(bundle(), folder, name, **{"size_bytes": ROOMY, "shown": folder.parent, **more})


def test_a_bundle_is_written_with_its_lanes_and_its_own_command(tmp_path: Path) -> None:
    path = written(tmp_path / "3f9c")
    assert read_bundle(path).command == "overbooked replay 3f9c/SYS-03.a.json"
    assert sorted(one.name for one in path.parent.iterdir()) == [
        "SYS-03.a.html",
        "SYS-03.a.json",
        "SYS-03.a.svg",
    ]
    assert "overbooked replay 3f9c/SYS-03.a.json" in path.with_suffix(".html").read_text()


def test_a_name_that_is_taken_gets_a_number(tmp_path: Path) -> None:
    names = [written(tmp_path).name for _ in range(3)]
    assert names == ["SYS-03.a.json", "SYS-03.a-2.json", "SYS-03.a-3.json"]


def test_a_path_with_blanks_is_quoted_in_the_command(tmp_path: Path) -> None:
    path = written(tmp_path / "a run", shown=Path("/elsewhere"))
    assert read_bundle(path).command == f"overbooked replay '{path}'"


def test_a_file_is_no_larger_than_allowed(tmp_path: Path) -> None:
    path = write_bundle(long_bundle(), tmp_path, "x", size_bytes=60_000, shown=tmp_path)
    assert path.stat().st_size <= 60_000


def full(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("call", ["fsync", "link"])
def test_on_a_full_disk_nothing_is_left_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    monkeypatch.setattr(os, call, full)
    with pytest.raises(BundleNotWritten, match="No space left on device; make room there or set `reports`"):
        written(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_without_room_for_lanes_the_bundle_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "write_text", full)
    path = written(tmp_path)
    assert read_bundle(path).clause == "SYS-03.a"
    assert [one.name for one in tmp_path.iterdir()] == ["SYS-03.a.json"]


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BundleNotWritten, match=str(tmp_path / "file")):
        written(tmp_path / "file")


def test_the_oldest_bundles_go_with_their_lanes(tmp_path: Path) -> None:
    for age, run in enumerate(("new", "middle", "old")):
        path = written(tmp_path / run)
        os.utime(path, ns=(10**18 - age, 10**18 - age))
    assert prune(tmp_path, 1) == 2
    assert [path.name for path in (tmp_path / "old").iterdir()] == []
    assert len(list((tmp_path / "new").iterdir())) == 3


def test_nothing_but_bundles_is_pruned(tmp_path: Path) -> None:
    run = tmp_path / "3f9c"
    written(run)
    (run / "scorecard.json").write_text('{"gaps": []}')
    (run / "SYS-03.b.json").write_text("{}")
    (tmp_path / "latest").symlink_to("3f9c")
    assert prune(tmp_path, 0) == 1
    assert sorted(path.name for path in run.iterdir()) == ["SYS-03.b.json", "scorecard.json"]


def test_no_more_than_wanted_are_pruned(tmp_path: Path) -> None:
    written(tmp_path / "a")
    written(tmp_path / "b")
    assert prune(tmp_path, 2) == 0
    assert prune(tmp_path / "nowhere", 0) == 0


def test_headlines_say_what_system_it_was() -> None:
    headline = bundle_files.headline_of(bundle())
    assert ("system", "reference, mutant SYS-03.1") in headline.facts
    assert headline.title == "Sold twice"
