"""The limits of tests/benchmarks/writing.py on a generated scorecard as large as that of the six gaps."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from overbooked.catalog import Catalog, Means
from overbooked.catalog.selection import Selection
from overbooked.reporting.run_folder import RunFolder
from overbooked.verdicts.assembly import ScenarioRun, assemble
from overbooked.verdicts.evidence import ClauseResult, Receipt
from overbooked.verdicts.exercise import Exercise
from overbooked.verdicts.scorecard import Run, Scorecard
from overbooked.verdicts.verdict import Verdict
from tests.benchmarks.writing import written

SIX = ("SYS-01", "SYS-02", "SYS-03", "SYS-04", "SYS-28", "SYS-R5")
SCENARIOS = 56
SECONDS = 25.0  # duration of a trial; with three in parallel the run takes eight minutes


def six_gaps() -> Scorecard:
    """Return a scorecard of six gaps: each clause has several scenarios, receipts, exercises and notes."""
    gaps = Catalog.load().select(SIX)
    clauses = [clause.name for gap in gaps for clause in gap.clauses]
    started = datetime(2025, 11, 21, tzinfo=UTC)
    receipt = Receipt("kill app at message 48", "app->postgres", 1.0, 2.0, 84, 17149, {"hit": True}, bit=True)
    ran = []
    for n in range(SCENARIOS):
        name = f"scenarios/revenue/test_made_up.py::test_number_{n}_of_those_that_were_made_up[of-some-kind]"
        mine = clauses[n % len(clauses) :: SCENARIOS // 3]
        results = tuple(
            ClauseResult(
                clause=clause,
                verdict=Verdict.CLOSED,
                scenario=name,
                counts={"rounds": 48, "requests": 2400},
                notes={"odds": "a note of the usual length " * 8},
                receipts=(receipt, receipt),
                exercises=(Exercise(Means.BURSTS, 12, actors=50), Exercise(Means.TOXICS, 3)),
                duration_s=SECONDS,
            )
            for clause in mine
        )
        ran.append(ScenarioRun(name, results, started, SECONDS))
    run = Run("3f9c", started, 7, "quick", "embedded", target="reference", workers=3)
    return assemble(run, Selection(gaps, tuple(clauses)), ran, complete=True)


def test_the_scorecard_of_six_gaps_is_under_200_kilobytes(tmp_path: Path) -> None:
    card = six_gaps()
    assert len(card.scenarios) == SCENARIOS
    size = RunFolder(tmp_path).write(card).stat().st_size
    assert 50_000 < size < 200_000


def test_a_run_of_ten_times_the_trials_spends_less_than_two_seconds_on_writing(tmp_path: Path) -> None:
    found = written(replace(six_gaps()), 10, tmp_path)
    assert found.trials == 10 * SCENARIOS
    assert found.times >= 5, "a scorecard is there while it runs"
    assert len((tmp_path / "trials.jsonl").read_text().splitlines()) == found.trials
    assert found.writing_s < 2.0
