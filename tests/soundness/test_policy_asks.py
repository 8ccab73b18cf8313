"""The gate judges everything that its policy demands, also what the profile did not ask."""

from __future__ import annotations

import pytest

from overbooked.errors import ConfigError, ExitCode, UnknownGap
from overbooked.verdicts.policy import Decision, Policy, decide
from overbooked.verdicts.scorecard import Scorecard
from tests.verdicts.samples import CLOSED, INCONCLUSIVE, NOT_COVERED, OPEN, catalog, scorecard

# T-1 (P0) has the clauses a (interleavings), b and c; T-2 (P2) has a; T-3 (P1) has a (fault points). The
# profile of these samples asks neither for interleavings nor for fault points.
BOTH = {"T-1.b": CLOSED, "T-1.c": CLOSED}


def gate(card: Scorecard, rules: str, *, whole: bool = True) -> Decision:
    return decide(card, Policy.parse(rules, "policy.toml"), catalog=catalog(), whole=whole)


@pytest.mark.parametrize("stop", ['["open"]', '["open", "inconclusive"]', '["not covered"]'])
@pytest.mark.parametrize("names", ['gaps = ["T-1"]', 'priority = "P0"', 'themes = ["revenue"]'])
def test_a_gap_that_a_rule_names_and_the_scorecard_lacks_stops_the_release(names: str, stop: str) -> None:
    card = scorecard({"T-2.a": CLOSED}, gaps=("T-2",))
    decision = gate(card, f"rules = [{{ {names}, stop = {stop} }}]")
    assert decision.exit_code is ExitCode.TOO_FEW
    assert decision.sentence == "blocked, T-1 is named by the policy and not asked in the scorecard"
    assert decision.stopping == ("T-1",)


def test_one_clause_of_several_is_not_the_gap() -> None:
    card = scorecard({"T-1.b": CLOSED}, gaps=("T-1",), only=("T-1.b",))
    decision = gate(card, 'rules = [{ priority = "P0", stop = ["open"] }]')
    assert decision.exit_code is ExitCode.TOO_FEW
    assert "T-1.a, T-1.c are named by the policy and not asked" in decision.sentence


def test_a_clause_that_the_profile_leaves_out_stops_unless_its_means_are_optional() -> None:
    card = scorecard({**BOTH, "T-2.a": CLOSED})
    rule = 'rules = [{ gaps = ["T-1"], stop = ["open"] }]'
    assert "T-1.a is named" in gate(card, rule).sentence
    assert gate(card, f'optional_means = ["interleavings"]\n{rule}').satisfied


def test_a_clause_that_its_rule_does_not_name_is_not_asked_for() -> None:
    card = scorecard({**BOTH, "T-2.a": CLOSED})
    assert gate(card, 'rules = [{ clauses = ["T-1.b", "T-1.c"], stop = ["open", "not covered"] }]').satisfied
    assert not gate(card, 'rules = [{ clauses = ["T-1.a"], stop = ["open"] }]').satisfied


@pytest.mark.parametrize(
    ("verdict", "code"),
    [(OPEN, ExitCode.OPEN), (INCONCLUSIVE, ExitCode.INCONCLUSIVE), (NOT_COVERED, ExitCode.TOO_FEW)],
)
def test_a_rule_of_clauses_looks_at_these_alone(verdict: object, code: ExitCode) -> None:
    card = scorecard({"T-1.b": CLOSED, "T-1.c": verdict})  # type: ignore[dict-item]
    rule = 'rules = [{{ clauses = ["{}"], stop = ["open", "inconclusive", "not covered"] }}]'
    assert gate(card, rule.format("T-1.b")).satisfied
    assert gate(card, rule.format("T-1.c")).exit_code is code


def test_where_several_things_stop_the_release_open_speaks_then_inconclusive_then_what_is_missing() -> None:
    rule = 'rules = [{ gaps = ["T-1", "T-3"], stop = ["open", "inconclusive"] }]'
    assert gate(scorecard({**BOTH, "T-1.c": OPEN}), rule).exit_code is ExitCode.OPEN
    assert gate(scorecard({**BOTH, "T-1.c": INCONCLUSIVE}), rule).exit_code is ExitCode.INCONCLUSIVE
    assert gate(scorecard(BOTH), rule).exit_code is ExitCode.TOO_FEW


def test_a_run_of_chosen_gaps_is_held_to_those_and_the_gate_to_the_policy() -> None:
    card = scorecard({"T-2.a": CLOSED}, gaps=("T-2",))
    rule = 'rules = [{ stop = ["open"] }]'
    assert gate(card, rule, whole=False).satisfied
    assert gate(card, rule).exit_code is ExitCode.TOO_FEW


def test_a_waiver_holds_for_what_is_missing_too() -> None:
    card = scorecard({"T-2.a": CLOSED}, gaps=("T-2",))
    waived = """
rules = [{ gaps = ["T-1", "T-2"], stop = ["open"] }]
waivers = [{ gap = "T-1", until = 2099-01-01, reason = "accepted" }]
"""
    decision = gate(card, waived)
    assert decision.satisfied
    assert decision.waived == ("T-1",)


def test_a_clause_that_no_catalog_has_is_refused() -> None:
    with pytest.raises(UnknownGap):
        Policy.parse('rules = [{ clauses = ["T-1.z"], stop = ["open"] }]', "p").check(catalog())
    with pytest.raises(ConfigError):
        Policy.parse('optional_means = ["magic"]', "p")
