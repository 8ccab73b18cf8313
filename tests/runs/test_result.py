"""A trial's result is unchanged after a round trip."""

from __future__ import annotations

from datetime import UTC, datetime

from overbooked.runs.plan import Trial
from overbooked.runs.result import TrialResult
from overbooked.verdicts.evidence import ClauseResult, Finding, Receipt
from overbooked.verdicts.verdict import Verdict


def result() -> TrialResult:
    receipts = (Receipt("latency", "app->postgres", 0.5, 1.25, 3, 120, {"ms": 40}, bit=True),)
    finding = Finding("sold twice", "1", "2", ("ana books", "ben books"), {"slot": "s"})
    shared = {"scenario": "t.py::test", "counts": {"rounds": 3}, "receipts": receipts, "duration_s": 1.5}
    return TrialResult(
        scenario="t.py::test",
        trial=Trial("SYS-03.1", 2),
        results=(
            ClauseResult("SYS-03.c", Verdict.OPEN, reason="sold twice", finding=finding, **shared),  # type: ignore[arg-type]
            ClauseResult("SYS-03.e", Verdict.CLOSED, notes={"odds": 0.5}, **shared),  # type: ignore[arg-type]
        ),
        started_at=datetime(2026, 1, 2, tzinfo=UTC),
        duration_s=2.0,
        logs={"app": ["a line"]},
        stack={"kind": "embedded"},
    )


def test_a_result_survives_the_journey() -> None:
    assert TrialResult.decode(result().encode()) == result()


def test_clauses_share_their_receipts_after_the_journey() -> None:
    first, second = TrialResult.decode(result().encode()).results
    assert first.receipts[0] is second.receipts[0]


def test_the_worst_clause_is_the_verdict() -> None:
    assert result().verdict is Verdict.OPEN


def test_who_could_not_speak_is_inconclusive_for_every_clause() -> None:
    broken = TrialResult.failed("t.py::test", Trial("healthy"), ("SYS-03.c", "SYS-03.d"), "the worker died")
    assert [(each.verdict, each.reason) for each in broken.results] == [
        (Verdict.INCONCLUSIVE, "the worker died"),
        (Verdict.INCONCLUSIVE, "the worker died"),
    ]
    assert broken.from_controller
