from __future__ import annotations

import io
import json

import pytest
from rich.console import Console, RenderableType

from overbooked.catalog import Catalog
from overbooked.reporting.gap_states import GapState, gap_detail, gap_states, states_json, states_table
from overbooked.reporting.terminal import show
from tests.verdicts.samples import CLOSED, OPEN, PROFILE, catalog, scorecard

SCENARIOS = {"T-1.b": ["test_burst"], "T-1.c": ["test_burst", "test_slow"]}


def states(**more) -> tuple[GapState, ...]:
    known = catalog()
    arguments = {"profile": PROFILE, "scenarios": SCENARIOS, "mutants": ["T-1.1"], **more}
    return gap_states(known.select(), **arguments)


def text(what: RenderableType) -> str:
    out = io.StringIO()
    show(Console(file=out), what)
    return out.getvalue()


@pytest.mark.parametrize(
    ("last", "expected"),
    [
        (None, ["not run", "no scenario", "not asked"]),
        (scorecard({"T-1.b": CLOSED, "T-1.c": OPEN}), ["OPEN", "not covered", "not asked"]),
        (scorecard({"T-2.a": CLOSED}, gaps=("T-2",)), ["not run", "closed", "not asked"]),
    ],
)
def test_a_gap_is_in_the_state_of_its_last_run_or_of_its_scenarios(last, expected):
    assert [state.state for state in states(last=last)] == expected


def test_clauses_are_counted_as_covered_asked_and_all():
    race = states()[0]
    assert (len(race.covered), len(race.asked), len(race.clauses)) == (2, 2, 3)


def test_the_table_is_one_line_a_gap_by_theme_and_a_count():
    lines = text(states_table(states(), catalog())).splitlines()
    assert [line.split()[0] for line in lines] == ["revenue", "not", "no", "time", "not", "clauses:", "3"]
    first = "not run T-1 P0 Last place sold twice 2/2/3 clauses, 1/3 mutants"
    assert " ".join(lines[1].split()) == first
    assert lines[-1] == "3 gaps: 1 not run, 1 no scenario, 1 not asked"
    assert text(states_table(states()[:1])).splitlines()[-1] == "1 gap: 1 not run"


def test_the_whole_catalog_is_listed():
    known = Catalog.load()
    every = gap_states(known.select(), profile=PROFILE, scenarios={})
    assert len(states_json(every)) == 157
    assert text(states_table(every, known)).splitlines()[-1].startswith("157 gaps: ")


def test_one_gap_is_shown_with_clauses_scenarios_and_mutants():
    shown = text(gap_detail(states()[0]))
    assert "T-1  Last place sold twice\nP0, revenue; tests\nimpact: money\n" in shown
    assert "not run; 2 of 3 clauses asked, 2 covered" in shown
    assert "a  what a of T-1 demands\n     by interleavings\n     not asked: profile quick" in shown
    assert "by bursts, toxics\n     test_burst\n     test_slow\n" in shown
    assert "T-1.1  breaks a, b, c: no lock\n" in shown
    assert "T-1.2  breaks c: lock dropped early  (not built yet)\n" in shown
    assert shown.splitlines()[-1] == "overbooked run T-1   overbooked prove T-1"


def test_one_gap_is_shown_with_its_last_verdicts():
    last = scorecard({"T-1.b": CLOSED, "T-1.c": OPEN})
    shown = text(gap_detail(states(last=last)[0]))
    assert "OPEN in run 3f9c; 2 of 3 clauses asked" in shown
    assert "closed  1 fault, all took effect; 12 rounds" in shown
    assert "OPEN  never more bookings than capacity" in shown


def test_a_gap_judged_by_anothers_scenarios_says_so():
    shown = text(gap_detail(states()[1]))
    assert "the same as T-1, whose scenarios also judge this one" in shown
    assert "no scenario judges it" in shown


def test_the_states_are_json():
    data = json.loads(json.dumps(states_json(states(last=scorecard({"T-1.b": CLOSED, "T-1.c": OPEN})))))
    race = data[0]
    assert (race["state"], race["asked"], race["covered"], race["total"]) == ("open", 2, 2, 3)
    assert race["last"] == {"run": "3f9c", "verdict": "open"}
    assert race["clauses"][0] == {
        "id": "T-1.a",
        "by": ["interleavings"],
        "text": "what a of T-1 demands",
        "asked": False,
        "reason": PROFILE.asks(catalog().clause("T-1.a")),
        "scenarios": [],
        "last": "not asked",
    }
    assert race["mutants"][0]["available"]
    assert states_json(states())[0]["last"] is None
