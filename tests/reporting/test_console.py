from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

from rich.console import Console, RenderableType

from overbooked.reporting.console import gap_evidence, gap_line
from overbooked.reporting.console_report import print_scorecard
from overbooked.reporting.terminal import show
from overbooked.verdicts.policy import Policy, decide
from overbooked.verdicts.scorecard import Canary, LoadScore, Scorecard
from tests.verdicts.samples import (
    CLOSED,
    FINDING,
    INCONCLUSIVE,
    LOAD,
    NOT_COVERED,
    OPEN,
    RUN,
    result,
    scenario,
    scorecard,
)


def plain(what: RenderableType) -> str:
    out = io.StringIO()
    show(Console(file=out), what)
    return out.getvalue()


def printed(card: Scorecard, *, terminal: bool = False, width: int | None = None) -> str:
    out = io.StringIO()
    console = Console(file=out, force_terminal=terminal, width=width)
    print_scorecard(console, card, decide(card, Policy()), Path("reports/out/3f9c"))
    return out.getvalue()


def mixed() -> Scorecard:
    return scorecard({"T-1.b": CLOSED, "T-1.c": OPEN, "T-2.a": INCONCLUSIVE})


def test_a_run_reads_from_what_ran_to_what_the_gate_says():
    assert [" ".join(line.split()) for line in printed(mixed()).splitlines()] == [
        "embedded: PostgreSQL 18.6, Redis 6.2 profile quick seed 4711 run 3f9c",
        "canary T-1.1 is open, as it must be 1.1 s",
        "revenue",
        "OPEN T-1 Last place sold twice 2 of 3 clauses c 3.0 s",
        "c broken never more bookings than capacity",
        "expected at most 1 booking",
        "observed 2 bookings",
        "ana book slot-1 201",
        "ben book slot-1 201",
        "overbooked run T-1.c --profile quick --stack embedded --seed 4711",
        "b closed (12 bursts of up to 50 requests)",
        "inconclusive T-2 Price forgotten 1 clause a 1.5 s",
        "a inconclusive inconclusive it is",
        "overbooked run T-2.a --profile quick --stack embedded --seed 4711",
        "1 gap is not covered: overbooked list says why",
        "3 gaps: 1 open, 1 inconclusive, 1 not covered. Gate: blocked, T-1 is open (P0). reports/out/3f9c/",
    ]


def test_evidence_is_aligned_and_no_line_ends_in_blanks():
    lines = printed(mixed()).splitlines()
    assert lines[4:8] == [
        "      c   broken    never more bookings than capacity",
        "          expected  at most 1 booking",
        "          observed  2 bookings",
        "          ana  book slot-1  201",
    ]
    assert not [line for line in lines if line != line.rstrip()]


def test_a_gap_is_one_line():
    line = plain(gap_line(mixed().gap("T-1")))
    assert line.count("\n") == 1
    assert " ".join(line.split()) == "OPEN T-1 Last place sold twice 2 of 3 clauses c 3.0 s"


def test_a_closed_gap_says_what_was_exercised():
    card = scorecard({"T-1.b": CLOSED, "T-1.c": CLOSED, "T-2.a": CLOSED})
    assert "2 faults, all took effect; 24 rounds" in plain(gap_line(card.gap("T-1")))
    assert "1 clause " in plain(gap_line(card.gap("T-2")))
    told = plain(gap_evidence(card.gap("T-1"), card))
    assert "b   closed (12 bursts of up to 50 requests)" in told
    assert "c   closed (12 bursts of up to 50 requests; 1 link fault)" in told
    assert "overbooked run" not in told


def test_a_gap_that_nobody_judges_says_why():
    card = scorecard({"T-1.b": NOT_COVERED})
    assert "no scenario judges it" in plain(gap_line(card.gap("T-2")))
    assert "no clause of it is asked" in plain(gap_line(card.gap("T-3")))
    assert " b, c " in plain(gap_line(card.gap("T-1")))


def test_a_clause_that_alone_is_not_covered_is_named():
    card = scorecard({"T-1.b": CLOSED})
    assert "c: no scenario judges it" in plain(gap_line(card.gap("T-1")))


def test_many_operations_are_cut_on_the_screen():
    finding = replace(FINDING, operations=tuple(f"ana  book {n}" for n in range(50)))
    card = scorecard(ran=[scenario(result("T-2.a", OPEN, finding=finding))])
    evidence = gap_evidence(card.gap("T-2"))
    assert evidence is not None
    text = plain(evidence)
    assert "book 11" in text
    assert "book 12" not in text
    assert "38 more in the scorecard" in text
    assert "overbooked run" not in text


def test_a_run_of_chosen_gaps_shows_every_one():
    text = printed(scorecard({}, gaps=("T-2", "T-3")))
    assert "Price forgotten" in text
    assert "Wrong zone" in text
    assert "overbooked list" not in text


def test_a_canary_that_does_not_sing_or_is_missing_is_said():
    silent = Canary("T-1.1", CLOSED, reason="nobody sold twice")
    text = printed(scorecard(canary=silent))
    assert "canary T-1.1 is closed, not open (nobody sold twice): this run proves nothing" in text
    assert "no canary was judged" in printed(scorecard(canary=None))


def test_errors_outside_scenarios_are_shown():
    assert "error  worker 2 died" in printed(scorecard(errors=["worker 2 died"]))


def test_a_mutant_is_part_of_what_ran():
    text = printed(replace(mixed(), run=replace(RUN, mutant="T-1.2", versions={})))
    assert text.startswith("embedded   mutant T-1.2   profile quick")
    assert "--seed 4711 --mutant T-1.2" in text


def test_colours_are_for_terminals():
    assert "\x1b[" not in printed(mixed())
    assert "\x1b[" in printed(mixed(), terminal=True, width=100)


def test_a_terminals_width_is_kept():
    lines = printed(mixed(), terminal=True, width=90).splitlines()
    assert max(len(Console().render_str(line).plain) for line in lines) < 140


def test_markup_in_what_a_system_said_is_not_obeyed():
    finding = replace(FINDING, observed="[red]2[/red] :smile: bookings", operations=("[b]x",))
    card = scorecard(ran=[scenario(result("T-2.a", OPEN, finding=finding))])
    text = printed(card)
    assert "[red]2[/red] :smile: bookings" in text
    assert "[b]x" in text


def test_a_load_profile_is_a_line_with_what_it_broke():
    lines = [" ".join(line.split()) for line in printed(scorecard(load=[LOAD])).splitlines()]
    place = lines.index("OPEN load smoke never more bookings than capacity; 400 of 400 arrivals sent 20.0 s")
    assert lines[place + 1 : place + 4] == [
        "broken never more bookings than capacity",
        "expected at most 1 booking",
        "observed 2 bookings",
    ]


def test_a_run_of_nothing_but_load_sums_that_up():
    card = replace(scorecard(), gaps=(), load=(LoadScore("smoke", CLOSED, summary="400 arrivals"),))
    assert printed(card).splitlines()[-1].startswith("load smoke: closed.  Gate: ")
    assert "closed          load smoke   400 arrivals" in printed(card)


def test_the_last_lines_of_a_part_that_did_not_start_stand_below_its_first_clause():
    reason = "StackError: app ended with exit code 1 while it was starting\n    reading\n    KeyError: SECRET"
    gap = scorecard({"T-1.b": INCONCLUSIVE, "T-1.c": INCONCLUSIVE}).gap("T-1")
    gap = replace(gap, clauses=tuple(replace(clause, reason=reason) for clause in gap.clauses))
    evidence = gap_evidence(gap)
    assert evidence is not None
    lines = [" ".join(line.split()) for line in plain(evidence).splitlines()]
    assert lines.count("KeyError: SECRET") == 1
    assert "reading" in lines
    assert lines.index("reading") < lines.index("KeyError: SECRET")
