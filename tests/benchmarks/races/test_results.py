from __future__ import annotations

from pathlib import Path

import pytest

from tests.benchmarks.races.results import Results
from tests.benchmarks.races.trials import Hunt, Trial


def trial(mutant: str, method: str, number: int, *, what: str = "", seconds: float = 1.0) -> Trial:
    return Trial(mutant, method, number, allowed_s=2.0, hunt=Hunt(seconds, rounds=3, what=what))


def test_a_run_is_gone_on_with_where_it_was_left(tmp_path: Path) -> None:
    file = tmp_path / "races.json"
    before = Results(file)
    before.add(trial("SYS-03.1", "exploration", 0, what="oversold", seconds=1.5))
    before.add(trial("SYS-03.1", "bursts", 0))
    before.add(trial("SYS-03.1", "exploration", 1))
    after = Results(file)
    assert after.trials == before.trials
    assert after.missing("SYS-03.1", ["exploration", "bursts"], 3) == {
        1: ("bursts",),
        2: ("exploration", "bursts"),
    }


def test_a_trial_that_was_explored_before_keeps_its_time(tmp_path: Path) -> None:
    results = Results(
        trials=[
            trial("SYS-03.1", "exploration", 0, what="oversold", seconds=1.5),
            trial("SYS-03.1", "exploration", 1),
            trial("SYS-03.1", "bursts", 2, what="oversold"),
            trial("SYS-03.2", "exploration", 3, what="oversold"),
        ]
    )
    assert results.explored_s("SYS-03.1") == {0: 1.5}


def test_what_has_been_tried_is_not_missing() -> None:
    results = Results(trials=[trial("SYS-03.1", "bursts", 0)])
    assert results.missing("SYS-03.1", ["bursts"], 1) == {}
    assert results.missing("SYS-03.2", ["bursts"], 1) == {0: ("bursts",)}


@pytest.mark.parametrize(
    "text", ["", "{}", '{"races": 99, "trials": []}', '{"races": 1, "trials": [{"mutant": "SYS-03.1"}]}']
)
def test_a_file_that_holds_something_else_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "races.json"
    file.write_text(text)
    with pytest.raises(ValueError, match="cannot be gone on with"):
        Results(file)
