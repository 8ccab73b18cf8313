"""A small catalog and scorecards made from it by the ordinary way."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from overbooked.catalog import Catalog, Clause, Gap, Means, Mutant, Priority
from overbooked.profiles import load_profile
from overbooked.verdicts.assembly import ScenarioRun, assemble
from overbooked.verdicts.evidence import ClauseResult, Finding, Receipt
from overbooked.verdicts.exercise import Exercise
from overbooked.verdicts.scorecard import Canary, LoadScore, Run, Scorecard
from overbooked.verdicts.verdict import Verdict

CLOSED, OPEN, INCONCLUSIVE, NOT_COVERED = (
    Verdict.CLOSED,
    Verdict.OPEN,
    Verdict.INCONCLUSIVE,
    Verdict.NOT_COVERED,
)
STARTED = datetime(2025, 11, 21, 9, 30, tzinfo=UTC)
FINDING = Finding(
    "never more bookings than capacity",
    expected="at most 1 booking",
    observed="2 bookings",
    operations=("ana  book slot-1  201", "ben  book slot-1  201"),
    details={"round": 3},
)
# Every means that the samples' clauses need was used.
USED = (Exercise(Means.BURSTS, 12, actors=50), Exercise(Means.TOXICS, 1), Exercise(Means.JOURNEY, 3))
BITTEN = Receipt("latency", "app->postgres", 0.1, 0.9, messages=40, bytes=4096, bit=True)
TOOTHLESS = Receipt("reset_peer", "app->redis", 0.1, 0.9)


def clause(gap: str, letter: str, *by: Means) -> Clause:
    return Clause(gap, letter, by or (Means.JOURNEY,), f"what {letter} of {gap} demands")


def catalog() -> Catalog:
    """Race (P0: two clauses for bursts, one for the gate), Price (P2) and Zone (P1, the gate only)."""
    race = Gap(
        id="T-1",
        title="Last place sold twice",
        priority=Priority.P0,
        theme="revenue",
        impact="money",
        source="tests",
        clauses=(
            clause("T-1", "a", Means.INTERLEAVINGS),
            clause("T-1", "b", Means.BURSTS),
            clause("T-1", "c", Means.BURSTS, Means.TOXICS),
        ),
        mutants=(
            Mutant("T-1", 1, ("T-1.a", "T-1.b", "T-1.c"), "no lock"),
            Mutant("T-1", 2, ("T-1.c",), "lock dropped early"),
            Mutant("T-1", 3, ("T-1.a",), "version read outside"),
        ),
    )
    price = Gap(
        id="T-2",
        title="Price forgotten",
        priority=Priority.P2,
        theme="revenue",
        same_as=("T-1",),
        clauses=(clause("T-2", "a"),),
        mutants=(Mutant("T-2", 1, ("T-2.a",), "current price charged"),),
    )
    zone = Gap(
        id="T-3",
        title="Wrong zone",
        priority=Priority.P1,
        theme="time",
        clauses=(clause("T-3", "a", Means.FAULT_POINTS),),
        mutants=(Mutant("T-3", 1, ("T-3.a",), "local time stored"),),
    )
    return Catalog((race, price, zone))


def result(name: str, verdict: Verdict, scenario: str = "", **more: Any) -> ClauseResult:
    finding = FINDING if verdict is OPEN else None
    reason = {CLOSED: "", OPEN: FINDING.what}.get(verdict, f"{verdict} it is")
    return ClauseResult(
        clause=name,
        verdict=verdict,
        scenario=scenario or f"scenarios/test_{name}.py::test_it",
        **{
            "reason": reason,
            "finding": finding,
            "counts": {"rounds": 12},
            "receipts": (BITTEN,),
            "exercises": USED,
            "duration_s": 1.5,
            **more,
        },
    )


def scenario(*results: ClauseResult, name: str = "", **more: Any) -> ScenarioRun:
    return ScenarioRun(
        scenario=name or results[0].scenario,
        results=results,
        **{"started_at": STARTED + timedelta(seconds=1), "duration_s": 1.5, **more},
    )


LOAD = LoadScore(
    "smoke",
    OPEN,
    reason=FINDING.what,
    summary="400 of 400 arrivals sent",
    figures={"arrivals": 400, "p99_ms": 210.5},
    finding=FINDING,
    duration_s=20.0,
)
# Whatever the bundled profiles ask for by now, these samples need a means that is not asked.
PROFILE = replace(
    load_profile("quick"),
    means=load_profile("quick").means - {Means.INTERLEAVINGS, Means.FAULT_POINTS},
    not_asked={Means.INTERLEAVINGS: "the gate takes its time"},
)
RUN = Run(
    id="3f9c",
    started_at=STARTED,
    seed=4711,
    profile="quick",
    stack="embedded",
    versions={"PostgreSQL": "18.6", "Redis": "6.2"},
    target="toy",
    workers=2,
)
CANARY = Canary("T-1.1", OPEN, ("T-1.b",), duration_s=1.1)


def scorecard(
    verdicts: dict[str, Verdict] | None = None,
    *,
    ran: Iterable[ScenarioRun] | None = None,
    gaps: Sequence[str] = (),
    only: Sequence[str] = (),
    run: Run = RUN,
    **more: Any,
) -> Scorecard:
    """A complete scorecard with one scenario for each clause in `verdicts`."""
    known = catalog()
    selection = PROFILE.select(known.select(gaps), only=only, narrowed=bool(gaps))
    scenarios = [scenario(result(name, verdict)) for name, verdict in (verdicts or {}).items()]
    return assemble(
        run,
        selection,
        scenarios if ran is None else ran,
        **{"complete": True, "canary": CANARY, "now": STARTED + timedelta(seconds=14), **more},
    )
