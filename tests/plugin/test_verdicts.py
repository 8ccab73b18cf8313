"""A scenario's exceptions, rulings and leftovers determine the results of its clauses."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from overbooked.runs.plan import Variant

from .conftest import ScenarioRunner

Make = Callable[..., Variant]


def verdict_of(runner: ScenarioRunner, healthy: Make, body: str, *, clause: str = "SYS-03.c") -> str:
    session = runner.hold(f'@gap("{clause}")\nasync def test_it(stack, judge):\n{body}', healthy(clause))
    (verdict,) = session.verdicts().values()
    return verdict


@pytest.mark.parametrize(
    ("body", "verdict"),
    [
        ("    judge.count('rounds', 3)", "closed"),
        ("    pass", "inconclusive"),
        ("    judge.count('rounds', 0)", "inconclusive"),
        ("    raise GapFound('sold twice')", "open"),
        ("    raise HarnessError('the proxy is gone')", "inconclusive"),
        ("    raise NotSupported('no sessions')", "not covered"),
        ("    pytest.skip('not here')", "inconclusive"),
        ("    pytest.xfail('known')", "inconclusive"),
        ("    assert 1 == 2", "inconclusive"),
        ("    raise KeyError('typo')", "inconclusive"),
        ("    raise TimeoutError", "inconclusive"),
        ("    raise ExceptionGroup('two', [KeyError('x'), GapFound('sold twice')])", "open"),
        ("    raise ExceptionGroup('one', [ValueError('x')])", "inconclusive"),
        ("    stack.dies = True; judge.count('rounds', 3)", "open"),
    ],
)
def test_what_a_scenario_raises_is_its_verdict(
    runner: ScenarioRunner, healthy: Make, body: str, verdict: str
) -> None:
    assert verdict_of(runner, healthy, body) == verdict


def test_a_scenario_that_showed_nothing_fails(runner: ScenarioRunner, healthy: Make) -> None:
    session = runner.hold('@gap("SYS-03.c")\ndef test_it():\n    pass', healthy("SYS-03.c"))
    assert session.outcomes == [0, 0, 1]
    assert "no evidence" in session.results[0].results[0].reason


def test_a_scenario_may_be_synchronous(runner: ScenarioRunner, healthy: Make) -> None:
    session = runner.hold(
        '@gap("SYS-03.c")\ndef test_it(judge):\n    judge.count("rounds")', healthy("SYS-03.c")
    )
    assert session.verdicts() == {"healthy SYS-03.c": "closed"}


def test_a_setup_that_breaks_is_inconclusive(runner: ScenarioRunner, healthy: Make) -> None:
    session = runner.hold(
        """
@pytest.fixture
def broken():
    raise GapFound("no verdict can come from here")

@gap("SYS-03.c")
def test_it(broken, judge):
    judge.count("rounds")
""",
        healthy("SYS-03.c"),
    )
    assert session.verdicts() == {"healthy SYS-03.c": "inconclusive"}
    assert "in setup" in session.results[0].results[0].reason


def test_a_teardown_that_breaks_takes_a_closed_verdict_back(runner: ScenarioRunner, healthy: Make) -> None:
    session = runner.hold(
        """
@pytest.fixture
def broken():
    yield
    raise ValueError("afterwards")

@gap("SYS-03.c")
def test_it(broken, judge):
    judge.count("rounds")
""",
        healthy("SYS-03.c"),
    )
    assert session.verdicts() == {"healthy SYS-03.c": "inconclusive"}


def test_one_open_clause_hides_no_other_and_fails_the_test(runner: ScenarioRunner, healthy: Make) -> None:
    session = runner.hold(
        """
@gap("SYS-03")
def test_it(judge):
    judge.count("rounds")
    with judge("SYS-03.d"):
        raise GapFound("sold twice", expected="1", observed="2")
    with judge("SYS-03.e"):
        pass
""",
        healthy("SYS-03.c", "SYS-03.d", "SYS-03.e"),
    )
    assert session.verdicts() == {
        "healthy SYS-03.c": "inconclusive",
        "healthy SYS-03.d": "open",
        "healthy SYS-03.e": "closed",
    }
    assert session.outcomes == [0, 0, 1]


def test_clauses_that_are_not_asked_get_no_result_and_fail_nothing(
    runner: ScenarioRunner, healthy: Make
) -> None:
    session = runner.hold(
        """
@gap("SYS-03.c", "SYS-03.d")
def test_it(judge):
    judge.count("rounds")
    with judge("SYS-03.d"):
        raise GapFound("sold twice")
    with judge("SYS-03.c"):
        pass
""",
        healthy("SYS-03.c"),
    )
    assert session.verdicts() == {"healthy SYS-03.c": "closed"}
    assert session.outcomes == [1, 0, 0]


def test_the_death_of_the_system_opens_what_was_closed_before(runner: ScenarioRunner, healthy: Make) -> None:
    session = runner.hold(
        """
@gap("SYS-03.c")
async def test_it(stack, judge):
    judge.count("rounds")
    with judge("SYS-03.c"):
        pass
    stack.dies = True
""",
        healthy("SYS-03.c"),
    )
    assert session.verdicts() == {"healthy SYS-03.c": "open"}
    assert "on its own" in session.results[0].results[0].reason


def test_a_stack_that_died_is_replaced_for_the_next_scenario(runner: ScenarioRunner, healthy: Make) -> None:
    session = runner.hold(
        """
@gap("SYS-03.c")
async def test_a(stack):
    stack.dies = True

@gap("SYS-03.d")
async def test_b(stack, judge):
    judge.count("rounds")
""",
        healthy("SYS-03.c", "SYS-03.d"),
    )
    assert session.diary == ["start None x2", "close", "start None x2", "heal", "close"]
    assert session.verdicts()["healthy SYS-03.d"] == "closed"


def test_the_logs_of_a_scenario_begin_with_it(runner: ScenarioRunner, healthy: Make) -> None:
    session = runner.hold(
        """
@gap("SYS-03.c")
async def test_it(stack, judge):
    stack.log.append("meanwhile")
    raise GapFound("sold twice")
""",
        healthy("SYS-03.c"),
    )
    assert session.results[0].logs == {"app": ["meanwhile"]}


def test_a_stack_that_does_not_start_is_inconclusive_and_not_tried_for_ever(
    runner: ScenarioRunner,
) -> None:
    source = "\n".join(
        f'@gap("SYS-01.f")\nasync def test_{n}(stack, judge):\n    judge.count("rounds")' for n in "abc"
    )
    session = runner.hold(source, Variant("SYS-01.1", "SYS-01.1", ("SYS-01.f",)))
    assert {v for r in session.results for v in [r.verdict.value]} == {"inconclusive"}
    assert session.diary.count("start SYS-01.1 x2") == 2
    assert session.results[-1].refusal_code == 3


@pytest.mark.parametrize(
    "symptom",
    ['GapFound("no answer")', 'HarnessError("POST /venues answered 503")', 'NotSupported("no venues")'],
)
def test_the_death_of_a_part_explains_whatever_failed_before_it_was_noticed(
    runner: ScenarioRunner, healthy: Make, symptom: str
) -> None:
    session = runner.hold(
        f"""
from overbooked.errors import *

@gap("SYS-03.c")
async def test_it(stack, judge):
    judge.count("rounds")
    stack.part_dies = True
    raise {symptom}
""",
        healthy("SYS-03.c"),
    )
    assert session.verdicts() == {"healthy SYS-03.c": "inconclusive"}
    assert "postgres was ended by SIGKILL on its own" in session.results[0].results[0].reason


SLOW = """
import asyncio

@gap("SYS-03.c")
async def test_it(stack, judge):
    judge.count("rounds")
    await asyncio.sleep(60)
"""


def test_a_scenario_that_takes_too_long_is_cut_off(runner: ScenarioRunner, healthy: Make) -> None:
    session = runner.hold(
        SLOW,
        healthy("SYS-03.c"),
        scenario_timeout_s=0.05,
    )
    assert session.verdicts() == {"healthy SYS-03.c": "inconclusive"}
    assert "took longer" in session.results[0].results[0].reason


def test_without_a_time_of_the_settings_the_profile_says_how_long_a_scenario_may_take(
    runner: ScenarioRunner, healthy: Make
) -> None:
    session = runner.hold(
        SLOW, healthy("SYS-03.c"), settings={"profiles": {"quick": {"budget": {"scenario_s": 0.05}}}}
    )
    assert "took longer" in session.results[0].results[0].reason


def test_the_time_of_the_settings_goes_over_the_profile_also_when_it_is_the_profiles_usual_one(
    runner: ScenarioRunner, healthy: Make
) -> None:
    session = runner.hold(
        SLOW.replace("sleep(60)", "sleep(0.2)"),
        healthy("SYS-03.c"),
        settings={"profiles": {"quick": {"budget": {"scenario_s": 0.05}}}},
        scenario_timeout_s=120.0,
    )
    assert session.verdicts() == {"healthy SYS-03.c": "closed"}


def test_after_the_deadline_nothing_is_begun(runner: ScenarioRunner, healthy: Make) -> None:
    session = runner.hold(
        '@gap("SYS-03.c")\nasync def test_it(stack, judge):\n    judge.count("rounds")',
        healthy("SYS-03.c"),
        deadline_at=1.0,
    )
    assert "deadline" in session.results[0].results[0].reason
    assert session.diary == []


def test_a_host_that_is_not_allowed_refuses_the_whole_run(runner: ScenarioRunner, healthy: Make) -> None:
    session = runner.hold(
        """
from overbooked.errors import HostNotAllowed

@gap("SYS-03.c")
def test_a():
    raise HostNotAllowed("a burst is aimed at example.com")

@gap("SYS-03.d")
def test_b(judge):
    judge.count("rounds")
""",
        healthy("SYS-03.c", "SYS-03.d"),
    )
    assert [result.refusal for result in session.results] == ["a burst is aimed at example.com"]


def test_a_fixture_of_ours_needs_a_gap(runner: ScenarioRunner, healthy: Make) -> None:
    session = runner.hold(
        '@gap("SYS-03.c")\ndef test_a(judge):\n    judge.count("x")\n\ndef test_b(judge):\n    pass',
        healthy("SYS-03.c"),
    )
    assert session.outcomes == [1, 0, 1]


def test_hypothesis_scenarios_are_bound_too(runner: ScenarioRunner, healthy: Make) -> None:
    session = runner.hold(
        """
from hypothesis import HealthCheck, given, settings, strategies as st

@gap("SYS-04.b")
@settings(max_examples=5, suppress_health_check=list(HealthCheck), deadline=None, database=None)
@given(n=st.integers())
async def test_it(stack, judge, n):
    judge.count("examples")
""",
        healthy("SYS-04.b"),
    )
    assert session.verdicts() == {"healthy SYS-04.b": "closed"}
    assert session.results[0].results[0].counts["examples"] >= 1
