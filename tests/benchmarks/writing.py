"""Measures the time that a run spends on writing scorecard and journal, and the size of the scorecard.

    python -m tests.benchmarks.writing reports/out/latest [TIMES]

The trials of a run are reported again, each TIMES times (default 10), to the listener of a run. Its clock
is simulated from the trials' durations, with three in parallel; writing takes real time.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from unittest import mock

from overbooked.catalog import Catalog
from overbooked.catalog.selection import Selection
from overbooked.cli import run_listener
from overbooked.cli.display import plain_display
from overbooked.cli.progress import Progress
from overbooked.cli.run_listener import RunListener
from overbooked.cli.trial_journal import Journal
from overbooked.reporting.reports import Reports
from overbooked.reporting.run_folder import RunFolder, find_scorecard, load_scorecard
from overbooked.runs.collected import CollectedTrial
from overbooked.runs.plan import HEALTHY, Trial
from overbooked.runs.result import TrialResult
from overbooked.verdicts.evidence import ClauseResult
from overbooked.verdicts.scorecard import Scorecard

SIDE_BY_SIDE = 3
TIMES = 10


@dataclass(frozen=True)
class Written:
    """The measurements: trials, seconds of the run and of writing, and bytes of the last scorecard."""

    trials: int
    run_s: float
    writing_s: float
    times: int
    scorecard_bytes: int


def results_of(card: Scorecard, times: int) -> Iterable[TrialResult]:
    """Yield the trials of a scorecard, each `times` times under different names."""
    evidence: dict[str, list[ClauseResult]] = {}
    for gap in card.gaps:
        for clause in gap.clauses:
            for each in clause.evidence:
                evidence.setdefault(each.scenario, []).append(
                    ClauseResult(
                        clause.id,
                        each.verdict,
                        each.scenario,
                        each.reason,
                        each.counts,
                        each.notes,
                        finding=each.finding,
                        exercises=each.exercises,
                        duration_s=each.duration_s,
                    )
                )
    for n in range(times):
        for score in card.scenarios:
            name = f"{score.id}-{n}"
            yield TrialResult(
                scenario=name,
                trial=Trial(HEALTHY),
                results=tuple(
                    replace(each, scenario=name, receipts=score.receipts)
                    for each in evidence.get(score.id, ())
                ),
                started_at=score.started_at or card.run.started_at,
                duration_s=score.duration_s,
                family=(name,),
                logs=score.logs,
                stack={"kind": card.run.stack, "versions": dict(card.run.versions)},
                trace=score.trace,
            )


def written(card: Scorecard, times: int, folder: Path) -> Written:
    """Report the trials of a run and measure what is written."""
    catalog = Catalog.load()
    names = [gap.id for gap in card.gaps if gap.duration_s and gap.id in {each.id for each in catalog.gaps}]
    gaps = catalog.select(names)
    clauses = tuple(clause.name for gap in gaps for clause in gap.clauses)
    results = list(results_of(card, times))
    spent = {"now": 0.0, "writing": 0.0, "times": 0.0}
    write, append = RunFolder.write, Journal.append

    def timed_write(self: RunFolder, scorecard: Scorecard) -> Path:
        begun = time.perf_counter()
        path = write(self, scorecard)
        spent["writing"] += time.perf_counter() - begun
        spent["now"] += time.perf_counter() - begun
        spent["times"] += 1
        return path

    def timed_append(self: Journal, result: TrialResult) -> None:
        begun = time.perf_counter()
        append(self, result)
        spent["writing"] += time.perf_counter() - begun

    with (
        plain_display() as display,
        mock.patch.object(RunFolder, "write", timed_write),
        mock.patch.object(Journal, "append", timed_append),
        mock.patch.object(run_listener, "time", mock.Mock(monotonic=lambda: spent["now"])),
    ):
        listener = RunListener(
            run=replace(card.run, versions={}, shard=None),
            selection=Selection(gaps, clauses),
            canary=None,
            folder=RunFolder(folder),
            display=display,
            reports=Reports((), lambda _: None),
            progress=Progress(SIDE_BY_SIDE),
        )
        trials = {
            result.scenario: CollectedTrial(
                result.scenario, result.trial, tuple(each.clause for each in result.results), result.family
            )
            for result in results
        }
        listener.collected(trials)
        for result in results:
            spent["now"] += result.duration_s / SIDE_BY_SIDE
            listener.ended(result)
        listener.write_when_due(now=True)
    size = (folder / "scorecard.json").stat().st_size
    return Written(len(results), spent["now"], spent["writing"], int(spent["times"]), size)


def main(arguments: list[str]) -> None:
    card = load_scorecard(find_scorecard(Path(arguments[0]), Path("reports/out")))
    for times in (1, int(arguments[1]) if len(arguments) > 1 else TIMES):
        with tempfile.TemporaryDirectory() as folder:
            found = written(card, times, Path(folder))
        sys.stdout.write(
            f"{found.trials} trials in {found.run_s:.0f} s: {found.writing_s:.2f} s of writing, "
            f"{found.times} scorecards, the last of {found.scorecard_bytes / 1000:.0f} kB\n"
        )


if __name__ == "__main__":
    main(sys.argv[1:])
