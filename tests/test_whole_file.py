"""Files are written atomically, and errors name the obstacle."""

from __future__ import annotations

from pathlib import Path

import pytest

from overbooked.atomic_write import CannotWrite, write_whole


def test_a_file_and_its_folder_are_made_and_replaced(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file.json"
    assert write_whole(path, "one") == path
    write_whole(path, "two")
    assert path.read_text() == "two"
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is full")
def test_a_full_disk_leaves_what_was_there_and_nothing_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_whole(tmp_path / "file.json", "one")
    write = Path.write_text

    def full(self: Path, text: str, **how: object) -> int:
        self.touch()
        return write(Path("/dev/full"), text, **how)  # type: ignore[arg-type]

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(CannotWrite, match=r"cannot write .*file\.json: No space left on device; make room"):
        write_whole(path, "two" * 10_000)
    assert path.read_text() == "one"
    assert list(tmp_path.iterdir()) == [path]
