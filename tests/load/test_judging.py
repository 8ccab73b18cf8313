"""When a load is valid, and its verdict."""

from __future__ import annotations

import json

import pytest

from overbooked.errors import GapFound
from overbooked.load.judging import score
from overbooked.load.measurements import Latencies, Measured
from overbooked.verdicts.verdict import Verdict
from tests.load.samples import measured, profile


def test_a_load_that_met_its_objectives_is_closed():
    found = score(profile(), measured(), duration_s=3)
    assert (found.verdict, found.reason, found.finding) == (Verdict.CLOSED, "", None)
    assert found.summary == (
        "100 of 100 arrivals sent, 100 requests (50 refused, 0 unanswered), p95 10 ms from the intended start"
    )
    assert found.duration_s == 3


@pytest.mark.parametrize(
    ("seen", "reason"),
    [
        (measured(intended=0, sent=0), "no request was sent"),
        (measured(sent=0), "no request was sent"),
        (measured(sent=98), "98 of 100 arrivals were sent, expected at least 99%"),
        (measured(lag_s=3), "the generator was 3000 ms late"),
    ],
)
def test_an_invalid_load_is_inconclusive(seen: Measured, reason: str):
    found = score(profile(objectives={"p95_ms": 0.001, "error_share": 0}), seen)
    assert found.verdict is Verdict.INCONCLUSIVE
    assert reason in found.reason
    assert found.finding is None


def test_a_mistake_of_the_generator_is_inconclusive():
    seen = measured()
    seen.mistakes.append("book: KeyError: 'id'")
    assert "KeyError" in score(profile(), seen).reason


def test_slow_visits_miss_their_objective():
    found = score(profile(), measured(visit_s=1.5))
    assert found.verdict is Verdict.OPEN
    assert found.finding is not None
    assert found.finding.expected == "95 % within 1000 ms of their intended start"
    assert found.finding.observed == "p95 1500 ms, p99 1500 ms of 100"


def test_failing_requests_miss_their_objective():
    assert score(profile(), measured(failed=10)).verdict is Verdict.CLOSED
    found = score(profile(), measured(failed=11))
    assert found.verdict is Verdict.OPEN
    assert found.finding is not None
    assert found.finding.observed == "11 of 100"
    assert len(found.finding.operations) == 10


def test_a_broken_invariant_opens_whatever_the_load_was_worth():
    gap = GapFound("more bookings than capacity", expected="1", observed="2", operations=["ana", "ben"])
    found = score(profile(), measured(sent=50), broken=gap)
    assert found.verdict is Verdict.OPEN
    assert found.reason == "more bookings than capacity"
    assert found.finding is not None
    assert found.finding.operations == ("ana", "ben")


def test_figures_are_json_and_their_histograms_merge():
    figures = json.loads(json.dumps(score(profile(), measured()).figures))
    assert figures["visits"]["count"] == 100
    assert figures["verbs"]["book"]["p95_ms"] == pytest.approx(10, rel=0.01)
    assert figures["outcomes"] == {"ok": 50, "refused": 50, "unknown": 0}
    merged = Latencies.decoded(figures["histograms"]["visits"])
    merged.add(Latencies.decoded(figures["histograms"]["visits"]))
    assert len(merged) == 200


def test_latencies_keep_three_digits_and_do_not_lose_what_is_beyond_their_range():
    latencies = Latencies()
    assert latencies.ms(95) == 0
    for seconds in (0, 0.123456, 2.5, 99_999):
        latencies.record(seconds)
    assert len(latencies) == 4
    assert latencies.ms(50) == pytest.approx(123.456, rel=0.001)
    assert latencies.ms(75) == pytest.approx(2500, rel=0.001)
    assert latencies.ms(100) == pytest.approx(3_600_000, rel=0.001)


def test_measurements_travel_and_add_up():
    one = measured(failed=1)
    one.unfinished, one.mistakes = 2, ["slip"]
    back = Measured.from_line(one.as_line())
    assert back.as_line() == one.as_line()
    both = Measured.together([one, back])
    assert (both.intended, both.sent, both.unfinished, both.mistakes) == (200, 200, 4, ["slip", "slip"])
    assert len(both.visits) == len(both.requests["book"]) == len(both.history) == 200
