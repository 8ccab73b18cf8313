"""Every report gets every event; a failing report does not affect the others."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from overbooked.reporting.console_report import ConsoleReport
from overbooked.reporting.reports import Event, GapJudged, Reports, RunEnded, RunStarted, file_reports
from overbooked.reporting.run_folder import RunFolder
from overbooked.verdicts.policy import Policy, decide
from tests.verdicts.samples import CLOSED, OPEN, scorecard

ASSETS = Path(__file__).parents[2] / "reports"


@dataclass
class Failing:
    """A report that fails at every event."""

    error: BaseException
    name: str = "failing"
    events: list[Event] = field(default_factory=list)

    def on_event(self, event: Event) -> None:
        self.events.append(event)
        raise self.error


def test_a_run_has_every_report_in_its_folder(tmp_path: Path) -> None:
    card = scorecard({"T-2.a": CLOSED})
    folder, failed = RunFolder.create(tmp_path), []
    Reports(file_reports(folder, ASSETS), failed.append).publish(RunEnded(card, decide(card, Policy())))
    names = {path.name for path in folder.path.iterdir()}
    assert names == {"junit.xml", "summary.md", "allure-results"}
    assert (folder.path / "allure-results/categories.json").is_file()
    assert not failed


def test_a_project_without_allure_assets_has_results_all_the_same(tmp_path: Path) -> None:
    folder, failed = RunFolder.create(tmp_path / "out"), []
    for assets in (tmp_path, None):
        Reports(file_reports(folder, assets), failed.append).publish(RunEnded(scorecard()))
    assert list((folder.path / "allure-results").glob("*-result.json"))
    assert not (folder.path / "allure-results/categories.json").exists()
    assert not failed


@pytest.mark.parametrize("place", [0, 1, 4])
def test_a_report_that_fails_costs_the_others_nothing(tmp_path: Path, place: int) -> None:
    card = scorecard({"T-1.c": OPEN})
    folder, failed, shown = RunFolder.create(tmp_path), [], []
    failing = Failing(OSError(28, "No space left on device"))
    reports = [*file_reports(folder), ConsoleReport(shown.append)]
    reports.insert(place, failing)
    stream = Reports(reports, failed.append)
    stream.publish(RunStarted(card))
    stream.publish(GapJudged(card.gaps[0], card))
    stream.publish(RunEnded(card, decide(card, Policy())))
    assert failed == ["the failing report failed: [Errno 28] No space left on device"]
    assert len(failing.events) == 3
    assert {"junit.xml", "summary.md", "allure-results"} <= {path.name for path in folder.path.iterdir()}
    assert shown


def test_an_exception_without_words_is_named() -> None:
    failed: list[str] = []
    Reports([Failing(RecursionError())], failed.append).publish(RunEnded(scorecard()))
    assert failed == ["the failing report failed: RecursionError"]


def test_ctrl_c_goes_through() -> None:
    with pytest.raises(KeyboardInterrupt):
        Reports([Failing(KeyboardInterrupt())], print).publish(RunEnded(scorecard()))
