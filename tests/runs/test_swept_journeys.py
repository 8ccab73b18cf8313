"""Journeys are found in the scenarios' sources, without running them."""

from __future__ import annotations

from pathlib import Path

import pytest

from overbooked.errors import UsageError
from overbooked.runs.swept_journeys import SweptJourney, find_journeys, swept_journeys
from tests.journeys.test_swept import House

ROOT = Path(__file__).parents[2]
BUNDLED = swept_journeys([ROOT / "scenarios"], ROOT)


def written(folder: Path, source: str, name: str = "test_x.py") -> dict[str, SweptJourney]:
    (folder / name).write_text(source)
    return dict(swept_journeys([folder], folder))


@pytest.mark.parametrize("name", BUNDLED)
def test_a_journey_has_the_name_it_is_registered_by(name: str) -> None:
    journey = BUNDLED[name].load()(House().as_system())
    assert journey.name == name
    assert journey.aspects


def test_a_gap_or_a_clause_means_its_journeys() -> None:
    assert [one.name for one in find_journeys("sys-01.a", BUNDLED)] == [
        "checkout",
        "checkout-by-declined-card",
        "checkout-by-bank",
        "checkout-reported",
        "checkout-by-declined-card-reported",
        "checkout-by-bank-reported",
        "webhook",
    ]
    assert [one.name for one in find_journeys("webhook", BUNDLED)] == ["webhook"]


def test_a_wrong_name_is_refused_with_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"did you mean webhook\? .*gaps: SYS-01, SYS-28, SYS-R5"):
        find_journeys("webhok", BUNDLED)


def test_the_scenario_that_mentions_the_journey_runs_it() -> None:
    assert BUNDLED["webhook"].scenario.endswith(
        "::test_a_payment_told_by_webhook_survives_a_fault_at_each_of_its_boundaries"
    )
    assert BUNDLED["checkout"].scenario.endswith(
        "::test_a_checkout_survives_a_fault_at_each_of_its_boundaries"
    )


def test_nothing_is_run_to_find_them(tmp_path: Path) -> None:
    found = written(tmp_path, 'raise SystemExit\n@swept("a", "SYS-01")\ndef a(system): ...\n')
    assert (found["a"].gaps, found["a"].scenario) == (("SYS-01",), "")
    with pytest.raises(SystemExit):
        found["a"].load()


def test_a_name_that_is_no_plain_string_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="line 1: expected names as plain strings"):
        written(tmp_path, "@swept(NAME)\ndef a(system): ...\n")


def test_a_name_is_registered_once(tmp_path: Path) -> None:
    written(tmp_path, '@swept("a")\ndef a(system): ...\n')
    with pytest.raises(UsageError, match="'a' is registered twice"):
        written(tmp_path, '@swept("a")\ndef a(system): ...\n', "test_y.py")


def test_a_file_that_cannot_be_imported_is_bad_usage(tmp_path: Path) -> None:
    found = written(
        tmp_path, 'import nowhere_to_be_found\n@swept("a")\ndef a(system): ...\n', "test_broken_z.py"
    )
    with pytest.raises(UsageError, match=r"test_broken_z\.py cannot be imported: ModuleNotFoundError"):
        found["a"].load()
