from __future__ import annotations

from dataclasses import replace

from overbooked.reporting.markdown import scorecard_markdown
from overbooked.verdicts.policy import Policy, decide
from overbooked.verdicts.scorecard import LoadScore, Scorecard
from tests.verdicts.samples import CLOSED, FINDING, INCONCLUSIVE, LOAD, OPEN, result, scenario, scorecard


def mixed() -> Scorecard:
    return scorecard({"T-1.b": CLOSED, "T-1.c": OPEN, "T-2.a": INCONCLUSIVE})


def test_it_opens_with_the_verdicts_and_the_gate():
    text = scorecard_markdown(mixed(), decide(mixed(), Policy()))
    assert text.startswith(
        "# 3 gaps: 1 open, 1 inconclusive, 1 not covered\n\n**Gate: blocked, T-1 is open (P0).**\n"
    )
    assert "- embedded: PostgreSQL 18.6, Redis 6.2, profile quick, seed 4711, run 3f9c\n" in text
    assert "- canary T-1.1 is open, as it must be\n" in text
    assert "- started 2025-11-21 09:30:00 UTC, took 14.0 s\n" in text


def test_judged_gaps_are_rows_of_one_table():
    text = scorecard_markdown(mixed())
    assert "| **OPEN** | T-1 Last place sold twice | P0 | revenue | 2 of 3 clauses | c | 3.0 s |\n" in text
    assert "| **inconclusive** | T-2 Price forgotten |" in text
    closed = scorecard_markdown(scorecard({"T-2.a": CLOSED}))
    assert (
        "| closed | T-2 Price forgotten | P2 | revenue | 1 clause | 1 fault, all took effect; 12 rounds |"
        in closed
    )


def test_an_open_clause_says_what_was_found_and_how_to_see_it_again():
    text = scorecard_markdown(mixed())
    start = text.index("**T-1.c** is open")
    assert text[start : text.index("## Inconclusive")].split("\n\n")[1:] == [
        "- found: never more bookings than capacity\n"
        "- expected: at most 1 booking\n"
        "- observed: 2 bookings\n"
        "- judged by `scenarios/test_T-1.c.py::test_it`",
        "```\nana  book slot-1  201\nben  book slot-1  201\n```",
        "Again: `overbooked run T-1.c --profile quick --stack embedded --seed 4711`",
        "",
    ]
    assert "Impact: money." in text


def test_an_inconclusive_clause_says_why():
    assert "- why: inconclusive it is\n" in scorecard_markdown(mixed())


def test_a_finding_may_have_nothing_but_its_invariant():
    bare = replace(FINDING, expected="", observed="", operations=())
    text = scorecard_markdown(scorecard(ran=[scenario(result("T-2.a", OPEN, finding=bare))]))
    assert "- found: never more bookings than capacity\n- judged by" in text
    assert "```" not in text


def test_what_was_not_asked_and_not_covered_is_listed_by_reason():
    text = scorecard_markdown(mixed())
    assert "- T-1.a: profile quick does not ask for interleavings: the gate" in text
    assert "## Not covered\n\n- no clause of it is asked (1): T-3\n" in text


def test_an_aborted_run_says_so_before_anything_else():
    text = scorecard_markdown(scorecard(complete=False, aborted="deadline of 60 s", errors=["worker died"]))
    assert text.splitlines()[2] == "**This run was not completed: deadline of 60 s.**"
    assert "- error: worker died\n" in text


def test_nothing_a_system_says_breaks_the_layout():
    odd = replace(FINDING, observed="a | b\nc", operations=("```", "x"))
    text = scorecard_markdown(scorecard(ran=[scenario(result("T-2.a", OPEN, finding=odd))]))
    assert "- observed: a \\| b c\n" in text
    assert "````\n```\nx\n````\n" in text


def test_a_run_that_judged_nothing_has_no_table():
    text = scorecard_markdown(scorecard())
    assert "| verdict |" not in text
    assert "no scenario judges it (2): T-1, T-2" in text


def test_load_has_a_section():
    text = scorecard_markdown(scorecard(load=[LOAD, LoadScore("soak", CLOSED, summary="fine")]))
    assert (
        "**smoke** is open: never more bookings than capacity; 400 of 400 arrivals sent\n\n- found:" in text
    )
    assert "**soak** is closed: fine\n" in text
