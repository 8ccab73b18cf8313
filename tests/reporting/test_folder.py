from __future__ import annotations

import errno
import json
from dataclasses import replace
from pathlib import Path

import pytest

from overbooked.errors import ExitCode, UsageError
from overbooked.reporting.run_folder import CannotWrite, RunFolder, find_scorecard, load_scorecard
from overbooked.verdicts.scorecard_reader import BadScorecard
from tests.verdicts.samples import CLOSED, LOAD, scorecard


def test_every_run_has_a_folder_of_its_own(tmp_path):
    folders = [RunFolder.create(tmp_path / "out") for _ in range(20)]
    assert len({folder.run for folder in folders}) == 20
    assert all(folder.path == tmp_path / "out" / folder.run for folder in folders)


def test_an_id_that_is_taken_is_not_taken_again(tmp_path, monkeypatch):
    drawn = iter(["3f9c", "3f9c", "a1b2c3"])
    monkeypatch.setattr("overbooked.reporting.run_folder.secrets.token_hex", lambda size: next(drawn))
    assert RunFolder.create(tmp_path).run == "3f9c"
    assert RunFolder.create(tmp_path).run == "a1b2c3"


def test_a_scorecard_is_read_as_it_was_written(tmp_path):
    card = scorecard({"T-2.a": CLOSED})
    assert load_scorecard(RunFolder(tmp_path).write(card)) == card
    assert [file.name for file in tmp_path.iterdir()] == ["scorecard.json"]


def test_latest_points_to_the_last_complete_run(tmp_path):
    first, second = RunFolder.create(tmp_path), RunFolder.create(tmp_path)
    first.publish(scorecard())
    assert (tmp_path / "latest").resolve() == first.path
    second.publish(scorecard())
    assert (tmp_path / "latest").resolve() == second.path


def test_latest_never_points_to_an_aborted_run(tmp_path):
    whole, aborted = RunFolder.create(tmp_path), RunFolder.create(tmp_path)
    aborted.publish(scorecard(complete=False))
    assert not (tmp_path / "latest").exists()
    whole.publish(scorecard())
    aborted.publish(scorecard(complete=False))
    assert (tmp_path / "latest").resolve() == whole.path
    assert not load_scorecard(aborted.path / "scorecard.json").complete


def test_the_link_still_points_there_when_the_folder_of_runs_is_moved(tmp_path):
    RunFolder.create(tmp_path / "out").publish(scorecard())
    (tmp_path / "out").rename(tmp_path / "moved")
    assert load_scorecard(tmp_path / "moved/latest/scorecard.json").complete


def test_a_write_that_fails_leaves_what_was_there(tmp_path, monkeypatch):
    folder = RunFolder(tmp_path)
    folder.write(scorecard())
    before = (tmp_path / "scorecard.json").read_bytes()

    def full(self: Path, *args: object, **kwargs: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(CannotWrite, match=r"scorecard.json: No space left on device; make room") as raised:
        folder.write(scorecard({"T-2.a": CLOSED}))
    assert raised.value.exit_code is ExitCode.INCONCLUSIVE
    assert (tmp_path / "scorecard.json").read_bytes() == before


def test_a_report_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "out").write_text("in the way")
    with pytest.raises(CannotWrite, match="out"):
        RunFolder.create(tmp_path / "out")


def test_a_full_disk_is_told_before_the_run_begins_and_nothing_is_left(tmp_path, monkeypatch):
    def full(self: Path, *_args: object, **_named: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(CannotWrite, match=r"out/.*No space left on device; make room there") as raised:
        RunFolder.create(tmp_path / "out")
    assert raised.value.exit_code is ExitCode.INCONCLUSIVE
    assert list((tmp_path / "out").iterdir()) == []


def test_a_link_that_cannot_be_made_is_named(tmp_path):
    folder = RunFolder.create(tmp_path)
    (tmp_path / "latest").mkdir()
    (tmp_path / "latest/file").write_text("in the way")
    with pytest.raises(CannotWrite, match="latest"):
        folder.publish(scorecard())


# -- reading -------------------------------------------------------------------------------------


def test_a_scorecard_is_found_by_file_folder_id_and_latest(tmp_path):
    folder = RunFolder.create(tmp_path)
    folder.publish(scorecard())
    file = folder.path / "scorecard.json"
    assert find_scorecard(file, tmp_path) == file
    assert find_scorecard(folder.path, tmp_path) == file
    assert find_scorecard(Path(folder.run), tmp_path) == file
    assert find_scorecard(Path("latest"), tmp_path).resolve() == file


def test_a_scorecard_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(UsageError, match="no scorecard at nowhere"):
        find_scorecard(Path("nowhere"), tmp_path)


def test_a_file_that_cannot_be_read_is_refused(tmp_path):
    with pytest.raises(UsageError, match="cannot be read"):
        load_scorecard(tmp_path / "gone.json")


def test_a_file_that_was_cut_off_is_refused(tmp_path):
    file = tmp_path / "scorecard.json"
    file.write_text(json.dumps(scorecard().as_dict())[:500])
    with pytest.raises(BadScorecard, match="found no JSON"):
        load_scorecard(file)


def test_what_json_has_no_word_for_is_written_as_text(tmp_path):
    odd = replace(LOAD, figures={"path": Path("x")})
    read = load_scorecard(RunFolder(tmp_path).write(scorecard(load=[odd])))
    assert read.load[0].figures == {"path": "x"}
