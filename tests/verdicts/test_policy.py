from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from overbooked.catalog import Catalog
from overbooked.errors import ConfigError, ExitCode, UnknownGap
from overbooked.verdicts.policy import Policy, decide
from overbooked.verdicts.scorecard import Canary, Shard
from tests.verdicts.samples import CLOSED, INCONCLUSIVE, LOAD, NOT_COVERED, OPEN, RUN, scorecard

ALL_CLOSED = {"T-1.b": CLOSED, "T-1.c": CLOSED, "T-2.a": CLOSED}


def policy(text: str = "") -> Policy:
    return Policy.parse(text, "policy.toml")


def code(card, rules: str = "", **more) -> int:
    return int(decide(card, policy(rules), **more).exit_code)


def test_closed_gaps_pass():
    decision = decide(scorecard(ALL_CLOSED), policy())
    assert decision.satisfied
    assert decision.sentence == "passed"


def test_an_open_gap_of_a_gating_priority_blocks():
    decision = decide(scorecard({**ALL_CLOSED, "T-1.c": OPEN}), policy())
    assert decision.exit_code is ExitCode.OPEN
    assert decision.stopping == ("T-1",)
    assert decision.sentence == "blocked, T-1 is open (P0)"


def test_an_inconclusive_gap_of_a_gating_priority_blocks():
    decision = decide(scorecard({**ALL_CLOSED, "T-1.c": INCONCLUSIVE}), policy())
    assert decision.exit_code is ExitCode.INCONCLUSIVE
    assert "T-1 is inconclusive (P0)" in decision.sentence


@pytest.mark.parametrize("verdict", [OPEN, INCONCLUSIVE])
def test_a_gap_of_a_priority_that_does_not_gate_passes(verdict):
    assert code(scorecard({**ALL_CLOSED, "T-2.a": verdict})) == 0


def test_a_rule_speaks_of_gaps_that_satisfy_all_it_says():
    card = scorecard({**ALL_CLOSED, "T-2.a": OPEN})
    assert code(card, 'rules = [{ gaps = ["T-2"], stop = ["open"] }]') == 1
    assert code(card, 'rules = [{ gaps = ["T-2"], priority = "P0", stop = ["open"] }]') == 0
    assert code(card, 'rules = [{ themes = ["revenue"], stop = ["open"] }]') == 1
    assert code(card, 'rules = [{ themes = ["time"], stop = ["open"] }]') == 0
    assert code(card, 'rules = [{ stop = ["inconclusive"] }]') == 0


def test_a_gap_that_must_be_judged_and_was_not_counts_as_too_few():
    card = scorecard({"T-2.a": CLOSED})
    rules = 'rules = [{ gaps = ["T-1"], stop = ["open", "not covered"] }]'
    decision = decide(card, policy(rules))
    assert decision.exit_code is ExitCode.TOO_FEW
    assert "T-1 is not covered" in decision.sentence


def test_too_few_gaps_judged_block():
    card = scorecard(ALL_CLOSED)
    assert code(card, "minimum_judged = 2") == 0
    decision = decide(card, policy("minimum_judged = 3"))
    assert decision.exit_code is ExitCode.TOO_FEW
    assert decision.sentence == "blocked, 2 of at least 3 gaps were judged"


def test_inconclusive_gaps_do_not_count_as_judged():
    assert code(scorecard({**ALL_CLOSED, "T-2.a": INCONCLUSIVE}), "minimum_judged = 2") == 4


def test_a_run_of_chosen_gaps_need_not_judge_more_than_those():
    card = scorecard({"T-2.a": CLOSED}, gaps=("T-2",))
    assert code(card, "minimum_judged = 6") == 0
    assert code(card, "minimum_judged = 6", whole=True) == 4
    assert code(scorecard({}, gaps=("T-2",)), "minimum_judged = 6") == 4


def test_a_canary_that_does_not_sing_blocks():
    card = scorecard(ALL_CLOSED, canary=Canary("T-1.1", CLOSED))
    decision = decide(card, policy())
    assert decision.exit_code is ExitCode.INCONCLUSIVE
    assert "the canary T-1.1 is closed, not open: the run proves nothing" in decision.sentence
    # Not required by the policy, it still must not be wrong.
    assert code(card, "canary = false") == 3


def test_a_run_without_a_canary_blocks_unless_the_policy_lets_it():
    card = scorecard(ALL_CLOSED, canary=None)
    assert code(card) == 3
    assert code(card, "canary = false") == 0


def test_an_aborted_run_is_never_a_pass():
    decision = decide(scorecard(ALL_CLOSED, complete=False, aborted="Ctrl-C"), policy())
    assert decision.exit_code is ExitCode.INCONCLUSIVE
    assert "not completed: Ctrl-C" in decision.sentence


def test_a_missing_shard_blocks():
    card = scorecard(ALL_CLOSED, run=replace(RUN, shard=Shard(3, (1, 3))))
    decision = decide(card, policy())
    assert decision.exit_code is ExitCode.TOO_FEW
    assert "of 3 shards 2 is missing" in decision.sentence


def test_where_several_things_stop_it_open_speaks_first_then_inconclusive_then_too_few():
    few = "minimum_judged = 9"
    aborted = {"complete": False, "aborted": "x"}
    assert code(scorecard({**ALL_CLOSED, "T-1.b": OPEN}, **aborted), few) == 1
    assert code(scorecard({**ALL_CLOSED, "T-1.b": INCONCLUSIVE}), few) == 3
    assert code(scorecard(ALL_CLOSED, **aborted), few) == 3
    assert code(scorecard(ALL_CLOSED), few) == 4


def test_many_gaps_that_stop_it_are_counted():
    verdicts = {**ALL_CLOSED, "T-1.b": OPEN, "T-2.a": OPEN}
    card = scorecard(verdicts)
    many = replace(card, gaps=card.gaps[:2] * 3)
    decision = decide(many, policy('rules = [{ stop = ["open"] }]'))
    assert decision.sentence.endswith("T-1 is open (P0) and 3 more")


# -- load ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("verdict", "expected"), [(OPEN, 1), (INCONCLUSIVE, 3), (CLOSED, 0)])
def test_a_load_profile_that_failed_blocks_also_where_nothing_else_was_judged(verdict, expected):
    card = replace(scorecard(gaps=("T-1",), canary=None), gaps=(), load=(replace(LOAD, verdict=verdict),))
    assert code(card) == expected
    assert code(card, "load = []") == 0


# -- waivers -------------------------------------------------------------------------------------

WAIVED = '[[waivers]]\ngap = "T-1"\nuntil = 2025-11-30\nreason = "accepted"\n'


def test_a_waived_gap_stops_nothing_until_its_day_and_is_named():
    card = scorecard({**ALL_CLOSED, "T-1.c": OPEN})
    decision = decide(card, policy(WAIVED))
    assert decision.satisfied
    assert decision.waived == ("T-1",)
    assert decision.sentence == "passed (T-1 waived)"
    assert code(card, WAIVED, on=date(2025, 11, 30)) == 0
    assert code(card, WAIVED, on=date(2025, 12, 1)) == 1


def test_a_waiver_that_was_not_needed_is_not_mentioned():
    assert decide(scorecard(ALL_CLOSED), policy(WAIVED)).waived == ()


# -- the file ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rules = ", "not TOML"),
        ("minimum = 3", "policy.toml: minimum: Extra inputs are not permitted"),
        ("minimum_judged = -1", "minimum_judged: Input should be greater"),
        ('rules = [{ stop = ["shut"] }]', "rules.0.stop.0: Input should be 'closed', 'open'"),
        ("rules = [{ stop = [] }]", "rules.0.stop: Tuple should have at least 1 item"),
        ('rules = [{ stop = ["closed"] }]', "a closed gap cannot stop a release"),
        ('rules = [{ priority = "high", stop = ["open"] }]', "say P0, P0,P2 or P0-P2"),
        ('[[waivers]]\ngap = "T-1"\nuntil = 2025-11-30\nreason = ""', "waivers.0.reason"),
    ],
)
def test_a_policy_that_is_none_is_refused(text: str, message: str):
    with pytest.raises(ConfigError) as raised:
        policy(text)
    assert message in str(raised.value)


@pytest.mark.parametrize(
    "text",
    [
        'rules = [{ gaps = ["SYS-3"], stop = ["open"] }]',
        'rules = [{ themes = ["revenu"], stop = ["open"] }]',
        WAIVED,
    ],
)
def test_a_policy_for_what_the_catalog_does_not_have_is_refused(text: str):
    with pytest.raises(UnknownGap):
        policy(text).check(Catalog.load())


def test_a_decision_is_json():
    assert decide(scorecard({**ALL_CLOSED, "T-1.c": OPEN}), policy()).as_dict() == {
        "satisfied": False,
        "exit_code": 1,
        "sentence": "blocked, T-1 is open (P0)",
        "stopping": ["T-1"],
        "waived": [],
    }


def test_an_uncovered_gap_is_told_from_an_inconclusive_one():
    rules = 'rules = [{ stop = ["inconclusive", "not covered"] }]'
    card = scorecard({**ALL_CLOSED, "T-2.a": NOT_COVERED}, gaps=("T-1", "T-2"))
    assert code(card, rules) == 4
