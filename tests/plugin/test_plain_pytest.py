"""`pytest scenarios` without the command line, and pytest without scenarios."""

from __future__ import annotations

import subprocess
import sys

import pytest

from .conftest import CONFTEST, PLUGINS, ScenarioRunner

SOURCE = """
from overbooked import GapFound, gap

@gap("SYS-03.c")
async def test_closed(stack, judge, budget, seed, rng, people):
    judge.count("rounds", budget.rounds)
    assert people.next().email

@gap("SYS-03.d")
def test_open(judge):
    raise GapFound("sold twice")

@gap("LIV-6.3.a")
def test_not_asked(judge):
    raise AssertionError("the quick profile does not ask for a browser")
"""


def test_plain_pytest_judges_the_quick_profile_and_sums_up(
    runner: ScenarioRunner, pytester: pytest.Pytester
) -> None:
    runner.diary.write_text("")
    pytester.makeconftest(CONFTEST.format(diary=str(runner.diary)))
    pytester.makepyfile(test_toy=SOURCE)
    result = pytester.runpytest_inprocess(*PLUGINS)
    result.assert_outcomes(passed=1, failed=1, deselected=1)
    result.stdout.fnmatch_lines(
        ["*verdicts*", "closed * SYS-03.c*", "OPEN * SYS-03.d * sold twice", "2 clauses judged*open*canary*"]
    )


def test_a_wrong_setting_ends_the_session_with_its_words(
    runner: ScenarioRunner, pytester: pytest.Pytester
) -> None:
    pytester.makepyfile(test_toy=SOURCE)
    (pytester.path / "overbooked.toml").write_text("sede = 1")
    result = pytester.runpytest_inprocess(*PLUGINS)
    assert result.ret != 0
    result.stdout.fnmatch_lines(["*sede: no such key; did you mean 'seed'*"])


def test_in_a_session_without_scenarios_the_plugin_loads_nothing() -> None:
    program = (
        "import sys, overbooked.plugin\n"
        "own = {'overbooked.config', 'overbooked.plugin.manager'}\n"
        "heavy = own | {'pydantic', 'httpx', 'faker', 'rich'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert said.stdout == "[]\n"
