"""Durations of scenarios are stored; their loss has no consequence."""

from __future__ import annotations

from pathlib import Path

from overbooked.runs.durations import FILE, SHIPPED, load, save


def test_what_was_spent_is_known_beside_what_was_known(tmp_path: Path) -> None:
    save(tmp_path, {"a": 1.0, "b": 2.0})
    save(tmp_path, {"b": 3.0})
    assert load(tmp_path) == {"a": 1.0, "b": 3.0}


def test_a_file_that_cannot_be_read_is_no_harm(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text("[1, 2]")
    assert load(tmp_path) == {}
    assert load(tmp_path / "nowhere") == {}


def test_a_place_that_cannot_be_written_is_no_harm(tmp_path: Path) -> None:
    (tmp_path / "nowhere").write_text("a file where the folder would be")
    save(tmp_path / "nowhere", {"a": 1.0})
    assert load(tmp_path / "nowhere") == {}


def test_what_ships_with_the_scenarios_serves_until_a_run_knows_better(tmp_path: Path) -> None:
    (tmp_path / SHIPPED).write_text('{"a": 5, "b": 6}')
    (tmp_path / "out").mkdir()
    save(tmp_path / "out", {"b": 2.0})
    assert load(tmp_path / "out", [tmp_path]) == {"a": 5.0, "b": 2.0}
