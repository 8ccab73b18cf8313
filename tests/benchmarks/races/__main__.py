"""The command line of the benchmark; see the package."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.benchmarks.races import __doc__ as summary
from tests.benchmarks.races.jobs import EXPLORATION, METHODS, Job, catalog, race_mutants
from tests.benchmarks.races.results import Results
from tests.benchmarks.races.tables import healthy, table
from tests.benchmarks.races.trials import HEALTHY, Trial
from tests.benchmarks.races.workers import work

# Seconds; on the healthy system every race is explored exhaustively.
WHOLE_S = 1800.0


def main(arguments: Sequence[str] | None = None) -> int:
    asked = _parser().parse_args(arguments)
    known = race_mutants(catalog())
    if unknown := [name for name in asked.mutant if name not in known]:
        _say(f"no race mutant is called {', '.join(unknown)}; there are {', '.join(known)}")
        return 2
    try:
        results = Results(asked.json)
    except ValueError as error:
        _say(str(error))
        return 2
    named = asked.method or ([EXPLORATION] if asked.healthy else METHODS)
    methods = [method for method in METHODS if method in named]
    hunted = {name: clauses for name, clauses in known.items() if not asked.mutant or name in asked.mutant}
    if asked.healthy:
        hunted = {HEALTHY: tuple(dict.fromkeys(clause for those in hunted.values() for clause in those))}
    jobs = [job for name, clauses in hunted.items() for job in _jobs(asked, name, clauses, methods, results)]

    def done(trial: Trial) -> None:
        results.add(trial)
        _say(_line(trial))

    lost = 0
    try:
        lost = asyncio.run(work(jobs, asked.workers, done, _say))
    except KeyboardInterrupt:
        _say("interrupted; everything that was started is gone")
        lost = 130
    mine = [trial for trial in results.trials if trial.mutant in hunted and trial.method in methods]
    sys.stdout.write(healthy(mine) if asked.healthy else table(mine, list(hunted), methods))
    return lost or int(_bar_missed(mine))


def _jobs(
    asked: argparse.Namespace,
    name: str,
    clauses: tuple[str, ...],
    methods: Sequence[str],
    results: Results,
) -> list[Job]:
    """Return the remaining jobs on one system: one, or on the healthy system as many as workers."""
    left = results.missing(name, methods, asked.healthy or asked.trials)
    shares = asked.workers if name == HEALTHY else 1
    jobs = [
        Job(
            mutant=name,
            clauses=clauses,
            missing={number: those for number, those in left.items() if number % shares == share},
            allowed_s=results.explored_s(name),
            seed=asked.seed,
            floor_s=asked.floor_s,
            limit_s=max(asked.limit_s, WHOLE_S) if name == HEALTHY else asked.limit_s,
            size=asked.size,
        )
        for share in range(shares)
    ]
    return [job for job in jobs if job.missing]


def _bar_missed(trials: Sequence[Trial]) -> bool:
    """Whether exploration missed a mutant in a trial, or any method found something in the healthy system."""
    return any(
        trial.hunt.detected if trial.mutant == HEALTHY else not trial.hunt.detected
        for trial in trials
        if trial.method == EXPLORATION or trial.mutant == HEALTHY
    )


def _line(trial: Trial) -> str:
    hunt = trial.hunt
    if not hunt.applies:
        came = f"does not apply: {hunt.why}"
    elif hunt.detected:
        came = f"after {hunt.seconds:6.2f} s, {hunt.rounds} rounds: {hunt.what} ({hunt.race})"
    else:
        came = f"not in  {hunt.seconds:6.2f} s, {hunt.rounds} rounds"
    if hunt.applies and hunt.undecided:
        came += f"; {hunt.undecided} undecided, the last: {hunt.why}"
    return f"{trial.mutant:10} {trial.method:12} {trial.number + 1:3}  {came}"


def _say(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.races",
        description=summary,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--mutant", action="append", default=[], metavar="NAME", help="only this one; may be repeated")
    add("--method", action="append", default=[], choices=METHODS, help="only this one; may be repeated")
    add("--trials", type=int, default=20, help="of each mutant and method (20)")
    add(
        "--healthy",
        type=int,
        default=0,
        metavar="N",
        help="hunt on the healthy system instead, N trials; by exploration if no method is named",
    )
    add("--workers", type=int, default=1, help="stacks side by side, each in a process of its own (1)")
    add("--floor-s", type=float, default=2.0, help="the least time that a method gets (2)")
    add("--limit-s", type=float, default=180.0, help="the most time that exploration gets (180)")
    add("--size", type=int, default=20, help="requests sent at once (20)")
    add("--seed", type=int, default=1, help="people, keys and orders follow from it (1)")
    add("--json", type=Path, metavar="FILE", help="keep every trial there, and go on from what it holds")
    return parser


if __name__ == "__main__":
    sys.exit(main())
