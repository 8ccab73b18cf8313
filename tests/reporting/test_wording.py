from __future__ import annotations

import pytest

from overbooked.reporting.text import counts, exercised, seconds
from overbooked.verdicts.scorecard import Evidence
from tests.verdicts.samples import CLOSED, scorecard


@pytest.mark.parametrize(
    ("duration", "said"),
    [(0, "0.0 s"), (9.44, "9.4 s"), (99.94, "99.9 s"), (99.96, "1 min 40 s"), (3605, "60 min 05 s")],
)
def test_durations(duration, said):
    assert seconds(duration) == said


def test_what_was_exercised_is_summed_over_scenarios_each_once():
    one = Evidence("one", CLOSED, counts={"rounds": 1200, "examples": 1}, injected=2, bit=2)
    two = Evidence("two", CLOSED, counts={"rounds": 34}, injected=1, bit=0)
    assert exercised([one], [one, two]) == "3 faults, 2 took effect; 1,234 rounds, 1 example"
    assert (
        exercised([one, one], [one, one]) == "4 faults, all took effect; 2,400 rounds, 2 examples"
    )  # two shards
    assert exercised([Evidence("one", CLOSED, injected=1, bit=1)]) == "1 fault, all took effect"
    assert exercised([]) == ""


def test_the_tally_names_only_verdicts_there_are():
    assert counts(scorecard({"T-2.a": CLOSED}, gaps=("T-2",))) == "1 gap: 1 closed"
    assert counts(scorecard({"T-2.a": CLOSED})) == "3 gaps: 1 closed, 2 not covered"
