from __future__ import annotations

import re

import pytest

from overbooked.catalog.model import Means
from overbooked.errors import GapFound, HarnessError, NotSupported, PartDied
from overbooked.verdicts.judge import Judge
from overbooked.verdicts.verdict import Verdict
from tests.verdicts.samples import BITTEN, CLOSED, INCONCLUSIVE, NOT_COVERED, OPEN, TOOTHLESS

B, C = "T-1.b", "T-1.c"


def judge(*clauses: str) -> Judge:
    """A judge with some evidence already."""
    made = Judge(clauses or (B,), "test_race")
    made.count("rounds", 3)
    return made


def verdicts(made: Judge, raised: BaseException | None = None) -> dict[str, Verdict]:
    return {result.clause: result.verdict for result in made.conclude(raised)}


def test_a_scenario_that_ends_with_evidence_closes_its_clause():
    made = judge()
    made.receive(BITTEN)
    made.note("odds", 0.9)
    (result,) = made.conclude(None)
    assert result.verdict is CLOSED
    assert (result.counts, result.notes, result.receipts) == ({"rounds": 3}, {"odds": 0.9}, (BITTEN,))


def test_a_gap_found_opens_every_clause_nobody_ruled_on():
    found = GapFound("sold twice", expected="1", observed="2", operations=["ana", "ben"])
    results = judge(B, C).conclude(found)
    assert [result.verdict for result in results] == [OPEN, OPEN]
    assert results[0].finding is not None
    assert results[0].finding.operations == ("ana", "ben")


def test_a_gap_found_in_a_block_opens_that_clause_and_no_other():
    made = judge(B, C)
    with made(B):
        raise GapFound("sold twice")
    with made(C):
        pass
    assert verdicts(made) == {B: OPEN, C: CLOSED}
    assert made.open_clauses == (B,)


def test_a_clause_once_open_stays_open():
    made = judge()
    with made(B):
        raise GapFound("sold twice")
    with made(B):
        pass
    assert verdicts(made) == {B: OPEN}
    assert verdicts(made, HarnessError("broke")) == {B: OPEN}


def test_what_was_found_on_a_stack_that_lost_a_part_does_not_count():
    made = judge(B, C)
    with made(B):
        raise GapFound("sold twice")
    with made(C):
        pass
    died = PartDied("postgres was ended by SIGKILL on its own", part="postgres")
    assert verdicts(made, died) == {B: INCONCLUSIVE, C: INCONCLUSIVE}
    assert "postgres was ended by SIGKILL" in made.conclude(died)[0].reason


def test_what_was_closed_before_the_harness_broke_is_inconclusive():
    made = judge(B, C)
    with made(B):
        pass
    assert verdicts(made, HarnessError("broke")) == {B: INCONCLUSIVE, C: INCONCLUSIVE}


def test_a_gap_found_later_leaves_a_ruling_alone():
    made = judge(B, C)
    with made(B):
        pass
    assert verdicts(made, GapFound("no 409")) == {B: CLOSED, C: OPEN}


def test_a_missing_capability_is_not_covered():
    assert verdicts(judge(), NotSupported("no webhooks")) == {B: NOT_COVERED}


def test_any_other_error_is_inconclusive_and_named():
    (result,) = judge().conclude(ValueError("oops"))
    assert result.verdict is INCONCLUSIVE
    assert result.reason == "ValueError: oops"


def test_an_error_nobody_foresaw_is_shown_with_its_line():
    try:
        {}["a fact"]
    except KeyError as slip:
        (result,) = judge().conclude(slip)
    assert re.fullmatch(r"KeyError: 'a fact' \(test_judge\.py, line \d+\)", result.reason)


def test_a_clause_that_others_were_judged_instead_of_is_inconclusive():
    made = judge(B, C)
    with made(B):
        pass
    assert verdicts(made) == {B: CLOSED, C: INCONCLUSIVE}


@pytest.mark.parametrize("way", ["nothing", "zero", "toothless"])
def test_no_evidence_closes_nothing(way: str):
    made = Judge((B,), "test_race")
    if way == "zero":
        made.receive(BITTEN)
        made.count("examples", 0)
    if way == "toothless":
        made.count("rounds")
        made.receive(TOOTHLESS)
    (result,) = made.conclude(None)
    assert result.verdict is INCONCLUSIVE
    assert result.reason


def test_no_evidence_does_not_excuse_a_finding():
    assert verdicts(Judge((B,), "test_race"), GapFound("sold twice")) == {B: OPEN}


def test_a_clause_the_scenario_is_not_bound_to_cannot_be_judged():
    made = judge()
    with pytest.raises(LookupError, match=r"judges T-1\.b, not T-1\.c"), made(C):
        pass


def test_a_sample_of_a_matrix_says_of_how_many() -> None:
    judge = Judge(["SYS-R5.a"], "test_x", {"SYS-R5.a": [Means.MATRIX]})
    judge.count("differences", 40, of=100)
    judge.count("near misses", 10)
    (result,) = judge.conclude(None)
    (matrix,) = [each for each in result.exercises if each.means is Means.MATRIX]
    assert (matrix.done, matrix.of) == (50, 110)
