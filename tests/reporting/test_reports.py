from __future__ import annotations

from pathlib import Path

from overbooked.reporting.reports import write_reports
from overbooked.reporting.run_folder import RunFolder, load_scorecard
from overbooked.verdicts.policy import Policy, decide
from tests.verdicts.samples import CLOSED, scorecard

ASSETS = Path(__file__).parents[2] / "reports"


def test_a_run_has_every_report_in_its_folder(tmp_path):
    card = scorecard({"T-2.a": CLOSED})
    folder = RunFolder.create(tmp_path)
    write_reports(folder, card, decide(card, Policy()), assets=ASSETS)
    names = {path.name for path in folder.path.iterdir()}
    assert names == {"scorecard.json", "junit.xml", "summary.md", "allure-results"}
    assert (folder.path / "allure-results/categories.json").is_file()
    assert load_scorecard(tmp_path / "latest/scorecard.json") == card


def test_a_project_without_allure_assets_has_results_all_the_same(tmp_path):
    folder = RunFolder.create(tmp_path / "out")
    write_reports(folder, scorecard(), assets=tmp_path)
    write_reports(folder, scorecard())
    assert list((folder.path / "allure-results").glob("*-result.json"))
    assert not (folder.path / "allure-results/categories.json").exists()
