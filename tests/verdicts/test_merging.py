from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from overbooked.errors import UsageError
from overbooked.verdicts.merge_shards import merge
from overbooked.verdicts.scorecard import Canary, Scorecard, Shard
from overbooked.verdicts.verdict import Verdict
from tests.verdicts.samples import (
    CANARY,
    CLOSED,
    INCONCLUSIVE,
    NOT_COVERED,
    OPEN,
    RUN,
    STARTED,
    scorecard,
)

BOUND = {"T-1.b", "T-1.c", "T-2.a"}


def shard(index: int, verdicts: dict[str, Verdict], of: int = 2, **more) -> Scorecard:
    run = replace(
        RUN,
        id=f"run{index}",
        shard=Shard(of, (index,)),
        started_at=STARTED + timedelta(seconds=index),
        **more.pop("run", {}),
    )
    return scorecard(verdicts, run=run, bound=BOUND, **more)


def test_each_clause_takes_its_verdict_from_the_shard_that_judged_it():
    whole = merge([shard(1, {"T-1.b": CLOSED, "T-2.a": OPEN}), shard(2, {"T-1.c": CLOSED})])
    assert whole.gap("T-1").verdict is CLOSED
    assert whole.gap("T-2").verdict is OPEN
    assert len(whole.scenarios) == 3


def test_of_two_verdicts_the_worst_counts():
    whole = merge([shard(1, {"T-2.a": OPEN}), shard(2, {"T-2.a": CLOSED})])
    assert whole.gap("T-2").verdict is OPEN
    assert len(whole.gap("T-2").clauses[0].evidence) == 2


def test_what_no_shard_has_run_stays_inconclusive_and_what_none_asked_not_asked():
    whole = merge([shard(1, {"T-1.b": CLOSED}), shard(2, {})])
    assert whole.gap("T-1").verdict is INCONCLUSIVE
    assert whole.gap("T-1").clauses[0].verdict is None
    assert whole.gap("T-3").verdict is NOT_COVERED


def test_the_whole_says_which_shards_are_missing():
    whole = merge([shard(3, {}, of=4), shard(1, {}, of=4)])
    assert whole.run.shard == Shard(4, (1, 3))
    assert whole.run.shard.missing == (2, 4)


def test_the_whole_spans_its_parts():
    parts = [shard(2, {}), shard(1, {}, now=STARTED + timedelta(minutes=1))]
    whole = merge(parts)
    assert whole.run.id == "run2+run1"
    assert whole.run.started_at == STARTED + timedelta(seconds=1)
    assert whole.ended_at == STARTED + timedelta(minutes=1)
    assert whole.run.workers == 4


def test_one_aborted_part_leaves_the_whole_incomplete():
    whole = merge([shard(1, {}), shard(2, {}, complete=False, aborted="Ctrl-C")])
    assert not whole.complete
    assert whole.aborted == "Ctrl-C"


def test_one_silent_canary_speaks_for_all():
    silent = Canary("T-1.1", CLOSED)
    assert merge([shard(1, {}), shard(2, {}, canary=silent)]).canary is silent
    assert merge([shard(1, {}), shard(2, {}, canary=None)]).canary is None
    assert merge([shard(1, {}), shard(2, {})]).canary is CANARY


def test_a_scenario_of_both_parts_is_there_twice_with_its_receipts():
    whole = merge([shard(1, {"T-2.a": CLOSED}), shard(2, {"T-2.a": CLOSED})])
    assert [scenario.attempt for scenario in whole.scenarios] == [1, 2]


def test_one_scorecard_is_its_own_whole():
    card = scorecard({"T-2.a": CLOSED})
    whole = merge([card])
    assert whole.gaps == card.gaps
    assert whole.run == card.run


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ([], "found none"),
        ([shard(1, {}), shard(2, {}, run={"profile": "ci"})], "differ in profile"),
        ([shard(1, {}), shard(2, {}, run={"seed": 5})], "differ in seed"),
        ([shard(1, {}), shard(2, {}, run={"mutant": "T-1.1"})], "differ in mutant"),
        ([shard(1, {}), shard(1, {})], "shard 1 is there twice"),
        ([shard(1, {}), shard(2, {}, of=3)], "divided differently"),
        ([shard(1, {}), scorecard()], "divided differently"),
    ],
)
def test_parts_that_do_not_belong_together_are_refused(parts: list[Scorecard], message: str):
    with pytest.raises(UsageError, match=message):
        merge(parts)


def test_parts_made_from_different_catalogs_are_refused():
    one, other = shard(1, {}), shard(2, {})
    gap = replace(other.gaps[0], clauses=other.gaps[0].clauses[:2])
    with pytest.raises(UsageError, match="different clauses of T-1"):
        merge([one, replace(other, gaps=(gap, *other.gaps[1:]))])
