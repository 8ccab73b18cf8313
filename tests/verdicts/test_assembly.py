from __future__ import annotations

import pytest

from overbooked.verdicts.assembly import NO_SCENARIO, NOT_RUN
from overbooked.verdicts.verdict import Verdict
from tests.verdicts.samples import (
    BITTEN,
    CLOSED,
    INCONCLUSIVE,
    NOT_COVERED,
    OPEN,
    TOOTHLESS,
    result,
    scenario,
    scorecard,
)


def test_a_gap_is_closed_when_every_clause_asked_is():
    gap = scorecard({"T-1.b": CLOSED, "T-1.c": CLOSED}).gap("T-1")
    assert gap.verdict is CLOSED
    assert (gap.asked, gap.total) == (2, 3)


@pytest.mark.parametrize("bad", [OPEN, INCONCLUSIVE, NOT_COVERED])
def test_a_gap_takes_the_worst_verdict_of_the_clauses_asked(bad: Verdict):
    assert scorecard({"T-1.b": CLOSED, "T-1.c": bad}).gap("T-1").verdict is bad


def test_a_clause_that_is_not_asked_is_listed_with_the_reason_and_counts_for_nothing():
    gap = scorecard({"T-1.b": CLOSED, "T-1.c": CLOSED}).gap("T-1")
    unasked = gap.clauses[0]
    assert unasked.verdict is None
    assert not unasked.asked
    assert "interleavings" in unasked.reason
    assert unasked.as_dict()["verdict"] == "not asked"


def test_a_result_for_a_clause_that_was_not_asked_is_left_out():
    assert scorecard({"T-1.a": OPEN, "T-1.b": CLOSED, "T-1.c": CLOSED}).gap("T-1").verdict is CLOSED


def test_a_clause_asked_without_a_scenario_is_not_covered():
    gap = scorecard({"T-1.b": CLOSED}).gap("T-1")
    assert gap.verdict is NOT_COVERED
    assert gap.clauses[2].reason == NO_SCENARIO
    assert gap.reason == NO_SCENARIO


def test_a_clause_whose_scenario_has_not_run_is_inconclusive():
    gap = scorecard({"T-1.b": CLOSED}, bound={"T-1.b", "T-1.c"}, complete=False, aborted="Ctrl-C").gap("T-1")
    assert gap.verdict is INCONCLUSIVE
    assert gap.clauses[2].reason == f"{NOT_RUN}: Ctrl-C"


def test_a_gap_of_which_nothing_is_asked_is_not_covered_and_says_so():
    gap = scorecard().gap("T-3")
    assert (gap.verdict, gap.asked) == (NOT_COVERED, 0)
    assert gap.reason == "no clause of it is asked"


def test_of_several_results_for_a_clause_the_worst_counts_and_gives_the_reason():
    ran = [
        scenario(result("T-2.a", CLOSED, "test_one")),
        scenario(result("T-2.a", INCONCLUSIVE, "test_two", reason="nothing bit")),
        scenario(result("T-2.a", INCONCLUSIVE, "test_three", reason="nothing bit")),
    ]
    clause = scorecard(ran=ran).gap("T-2").clauses[0]
    assert clause.verdict is INCONCLUSIVE
    assert clause.reason == "nothing bit"
    assert [e.scenario for e in clause.evidence] == ["test_one", "test_two", "test_three"]


def test_guilty_clauses_are_named_where_their_reasons_differ():
    card = scorecard(
        ran=[
            scenario(result("T-1.b", OPEN, reason="sold twice")),
            scenario(result("T-1.c", OPEN, reason="no 409")),
        ]
    )
    assert card.gap("T-1").reason == "b, c"


def test_evidence_counts_the_faults_and_those_that_bit():
    ran = [scenario(result("T-2.a", INCONCLUSIVE, receipts=(BITTEN, TOOTHLESS)))]
    card = scorecard(ran=ran)
    (evidence,) = card.gap("T-2").clauses[0].evidence
    assert (evidence.injected, evidence.bit) == (2, 1)
    assert card.scenarios[0].receipts == (BITTEN, TOOTHLESS)


def test_a_scenario_of_several_clauses_has_its_receipts_once():
    ran = [scenario(result("T-1.b", CLOSED), result("T-1.c", OPEN), name="test_race")]
    card = scorecard(ran=ran)
    assert card.scenarios[0].receipts == (BITTEN,)
    assert card.scenarios[0].verdict is OPEN
    assert len(card.as_dict()["receipts"]) == 1


def test_a_scenario_that_ran_twice_is_there_twice():
    ran = [scenario(result("T-2.a", CLOSED, "t")), scenario(result("T-2.a", OPEN, "t"))]
    card = scorecard(ran=ran)
    assert [(s.id, s.attempt) for s in card.scenarios] == [("t", 1), ("t", 2)]
    assert card.gap("T-2").verdict is OPEN


def test_time_is_counted_once_a_scenario():
    ran = [scenario(result("T-1.b", CLOSED, "t"), result("T-1.c", CLOSED, "t"), name="t")]
    assert scorecard(ran=ran).gap("T-1").duration_s == 1.5


def test_a_scenario_without_a_time_of_its_own_takes_that_of_its_results():
    ran = [scenario(result("T-2.a", CLOSED), duration_s=0.0)]
    assert scorecard(ran=ran).scenarios[0].duration_s == 1.5


def test_the_end_is_now_unless_said():
    card = scorecard(now=None)
    assert card.ended_at.tzinfo is not None
    assert card.ended_at >= card.run.started_at


def test_a_gap_that_was_not_asked_for_is_not_there():
    with pytest.raises(LookupError, match="not asked for T-9"):
        scorecard().gap("T-9")


def test_gaps_are_judged_when_closed_or_open():
    card = scorecard({"T-1.b": OPEN, "T-1.c": CLOSED, "T-2.a": INCONCLUSIVE})
    assert [gap.id for gap in card.judged] == ["T-1"]
