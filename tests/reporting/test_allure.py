from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import attr
import pytest
from allure_commons import model2
from allure_commons.types import Severity

from overbooked.atomic_write import CannotWrite
from overbooked.reporting.allure import environment, write_allure
from overbooked.verdicts.scorecard import Scorecard
from tests.verdicts.samples import (
    CLOSED,
    INCONCLUSIVE,
    LOAD,
    NOT_COVERED,
    OPEN,
    RUN,
    result,
    scenario,
    scorecard,
)

CATEGORIES = Path(__file__).parents[2] / "reports/allure/categories.json"


def mixed() -> Scorecard:
    return scorecard(
        ran=[
            scenario(result("T-1.b", CLOSED)),
            scenario(result("T-1.c", OPEN), logs={"app": ["ERROR sold twice"]}),
            scenario(result("T-2.a", INCONCLUSIVE), trace="Traceback: boom"),
        ]
    )


def results(card: Scorecard, folder: Path) -> dict[str, dict[str, Any]]:
    write_allure(card, folder, categories=CATEGORIES)
    read = [json.loads(file.read_text()) for file in folder.glob("*-result.json")]
    return {row["fullName"]: row for row in read}


def labels(row: dict[str, Any], name: str) -> list[str]:
    return [label["value"] for label in row["labels"] if label["name"] == name]


def conforms(row: dict[str, Any], model: type) -> None:
    """Assert that every field, also of nested objects, is in Allure's model."""
    assert set(row) <= {field.name for field in attr.fields(model)}
    inner = {
        "labels": model2.Label,
        "parameters": model2.Parameter,
        "attachments": model2.Attachment,
        "statusDetails": model2.StatusDetails,
    }
    for name, value in row.items():
        if name in inner:
            for each in value if isinstance(value, list) else [value]:
                conforms(each, inner[name])


def test_every_clause_is_a_result_of_allures_model(tmp_path):
    rows = results(mixed(), tmp_path)
    assert sorted(rows) == ["T-1.a", "T-1.b", "T-1.c", "T-2.a", "T-3.a"]
    for row in rows.values():
        conforms(row, model2.TestResult)
        assert {"uuid", "historyId", "testCaseId", "fullName", "name", "status", "start", "stop"} <= set(row)
        assert row["stage"] == "finished"
        assert row["start"] <= row["stop"]


@pytest.mark.parametrize(
    ("clause", "status"),
    [("T-1.b", "passed"), ("T-1.c", "failed"), ("T-2.a", "broken"), ("T-1.a", "skipped")],
)
def test_a_gap_found_fails_and_a_harness_error_is_broken(tmp_path, clause, status):
    assert results(mixed(), tmp_path)[clause]["status"] == status


def test_a_missing_capability_is_skipped_with_its_reason(tmp_path):
    card = scorecard(ran=[scenario(result("T-2.a", NOT_COVERED, reason="the target has no webhooks"))])
    row = results(card, tmp_path)["T-2.a"]
    assert row["status"] == "skipped"
    assert row["statusDetails"]["message"] == "not covered: the target has no webhooks"


def test_theme_is_feature_gap_is_story_and_priority_severity(tmp_path):
    rows = results(mixed(), tmp_path)
    row = rows["T-1.c"]
    assert labels(row, "feature") == ["revenue"]
    assert labels(row, "story") == ["T-1 Last place sold twice"]
    assert labels(row, "severity") == [Severity.BLOCKER.value]
    assert labels(row, "tag") == ["P0", "bursts", "toxics"]
    assert labels(rows["T-2.a"], "severity") == [Severity.NORMAL.value]
    assert labels(rows["T-3.a"], "severity") == [Severity.CRITICAL.value]


def test_an_open_clause_says_what_was_expected_and_observed(tmp_path):
    details = results(mixed(), tmp_path)["T-1.c"]["statusDetails"]
    assert details["message"] == "never more bookings than capacity"
    assert "expected  at most 1 booking\nobserved  2 bookings\nana" in details["trace"]


def test_a_broken_clause_has_the_trace(tmp_path):
    assert results(mixed(), tmp_path)["T-2.a"]["statusDetails"]["trace"] == "Traceback: boom"


def test_evidence_is_attached(tmp_path):
    row = results(mixed(), tmp_path)["T-1.c"]
    attached = {each["name"]: each for each in row["attachments"]}
    assert set(attached) == {"evidence", "operations", "receipts of test_it", "log of app during test_it"}
    for each in attached.values():
        assert (tmp_path / each["source"]).is_file()
    evidence = json.loads((tmp_path / attached["evidence"]["source"]).read_text())
    assert evidence[0]["finding"]["observed"] == "2 bookings"
    assert attached["evidence"]["type"] == "application/json"
    receipts = json.loads((tmp_path / attached["receipts of test_it"]["source"]).read_text())
    assert receipts[0]["fault"] == "latency"
    assert "sold twice" in (tmp_path / attached["log of app during test_it"]["source"]).read_text()


def test_a_closed_clause_needs_no_logs(tmp_path):
    card = scorecard(ran=[scenario(result("T-2.a", CLOSED), logs={"app": ["fine"]})])
    row = results(card, tmp_path)["T-2.a"]
    assert [each["name"] for each in row["attachments"]] == ["evidence", "receipts of test_it"]


def test_history_follows_a_clause_from_run_to_run_but_not_onto_a_mutant(tmp_path):
    first = results(mixed(), tmp_path / "a")["T-1.c"]
    second = results(scorecard(run=replace(RUN, id="other", seed=1)), tmp_path / "b")["T-1.c"]
    mutant = results(scorecard(run=replace(RUN, mutant="T-1.1")), tmp_path / "c")["T-1.c"]
    assert first["historyId"] == second["historyId"] != mutant["historyId"]
    assert first["testCaseId"] == mutant["testCaseId"]
    assert first["uuid"] != second["uuid"]


def test_results_of_an_earlier_run_do_not_stay(tmp_path):
    write_allure(mixed(), tmp_path)
    write_allure(scorecard({"T-2.a": CLOSED}, gaps=("T-2",)), tmp_path)
    assert len(list(tmp_path.glob("*-result.json"))) == 1


def test_categories_are_allures_and_lie_beside_the_results(tmp_path):
    write_allure(mixed(), tmp_path, categories=CATEGORIES)
    categories = json.loads((tmp_path / "categories.json").read_text())
    statuses = {"failed", "broken", "passed", "skipped", "unknown"}
    for category in categories:
        assert set(category) <= {"name", "matchedStatuses", "messageRegex", "traceRegex", "flaky"}
        assert category["name"]
        assert set(category["matchedStatuses"]) <= statuses


def test_the_environment_says_what_ran_as_java_properties():
    text = environment(scorecard(run=replace(RUN, versions={"Toxiproxy API": "ours: 2.12=x\\y\nz"})))
    assert "Stack=embedded\n" in text
    assert "Canary=T-1.1\\ open\n" in text
    assert "Toxiproxy\\ API=ours\\:\\ 2.12\\=x\\\\y\\nz\n" in text
    assert "Mutant" not in text


def test_without_a_canary_the_environment_says_so():
    assert "Canary=none\n" in environment(scorecard(canary=None))


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "taken").write_text("")
    with pytest.raises(CannotWrite, match="taken"):
        write_allure(mixed(), tmp_path / "taken")


def test_a_load_profile_is_a_result_with_its_figures(tmp_path):
    row = results(scorecard(load=[LOAD]), tmp_path)["load smoke"]
    conforms(row, model2.TestResult)
    assert row["status"] == "failed"
    assert row["stop"] - row["start"] == 20_000
    assert labels(row, "feature") == ["load"]
    figures = json.loads((tmp_path / row["attachments"][0]["source"]).read_text())
    assert figures["figures"]["arrivals"] == 400
