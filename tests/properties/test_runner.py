"""Properties are checked with examples; failures that are not reproducible are errors."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import pytest
from hypothesis import strategies as st

from overbooked import properties
from overbooked.errors import DeadlineExceeded, GapFound, HarnessError
from overbooked.verdicts.judge import Judge
from overbooked.verdicts.verdict import Verdict


@pytest.fixture
def judge() -> Judge:
    return Judge(["SYS-04.b"], "scenario")


async def test_a_property_that_holds_closes_the_clause_and_counts_its_examples(judge: Judge) -> None:
    seen = []

    async def example(n: int) -> None:
        await asyncio.sleep(0)
        seen.append(n)

    await properties.check(st.integers(), example, examples=30, seed=1, judge=judge)
    (result,) = judge.conclude(None)
    assert result.verdict is Verdict.CLOSED
    assert result.counts == {"examples": 30} == {"examples": len(seen)}


async def test_examples_that_are_always_tried_come_first_and_count(judge: Judge) -> None:
    seen = []

    async def example(n: int) -> None:
        seen.append(n)

    await properties.check(
        st.integers(0, 9), example, always=[70, 80, 90], at_once=2, examples=5, seed=1, judge=judge
    )
    (result,) = judge.conclude(None)
    assert seen[:3] == [70, 80, 90]
    assert result.counts == {"examples": len(seen)}


async def test_a_gap_in_an_example_that_is_always_tried_names_it(judge: Judge) -> None:
    async def example(n: int) -> None:
        if n == 80:
            raise GapFound("too much")

    with pytest.raises(GapFound) as found:
        await properties.check(st.integers(0, 9), example, always=[70, 80], examples=5, seed=1, judge=judge)
    assert found.value.details["example"] == 80


async def test_examples_run_on_the_loop_of_the_scenario(judge: Judge) -> None:
    loops = set()

    async def example(_: int) -> None:
        loops.add(asyncio.get_running_loop())

    await properties.check(st.integers(), example, examples=3, seed=1, judge=judge)
    assert loops == {asyncio.get_running_loop()}


async def test_one_seed_tries_the_same_examples_and_another_seed_others(judge: Judge) -> None:
    runs: list[list[int]] = []

    async def example(n: int) -> None:
        runs[-1].append(n)

    for seed in (7, 7, 8):
        runs.append([])
        await properties.check(st.integers(), example, examples=20, seed=seed, judge=judge)
    assert runs[0] == runs[1] != runs[2]


@dataclass(frozen=True)
class Quote:
    minor: int


async def test_the_gap_is_that_of_the_smallest_failing_example(judge: Judge) -> None:
    async def example(quote: Quote) -> None:
        if quote.minor >= 1000:
            raise GapFound(
                "charged as quoted",
                expected=str(quote.minor),
                observed=str(quote.minor - 1),
                operations=["ana: pay"],
                details={"currency": "EUR"},
            )

    with pytest.raises(GapFound) as found:
        await properties.check(
            st.builds(Quote, st.integers(0, 10**6)), example, examples=200, seed=3, judge=judge
        )
    gap = found.value
    assert (gap.what, gap.expected, gap.observed) == ("charged as quoted", "1000", "999")
    assert gap.operations == ("ana: pay",)
    assert gap.details["example"] == {"minor": 1000}
    assert gap.details["currency"] == "EUR"
    assert gap.details["examples"] >= 1


async def test_without_time_to_shrink_the_gap_is_still_found(judge: Judge) -> None:
    async def example(n: int) -> None:
        if n > 10:
            raise GapFound("too big")

    with pytest.raises(GapFound) as found:
        await properties.check(st.integers(), example, examples=100, seed=3, judge=judge, shrink_s=0)
    assert found.value.details["example"] > 10


async def test_a_harness_error_stays_one_and_is_not_shrunk(judge: Judge) -> None:
    broken = HarnessError("the proxy is dead")
    calls = []

    async def example(n: int) -> None:
        calls.append(n)
        raise broken

    with pytest.raises(HarnessError) as found:
        await properties.check(st.integers(), example, examples=100, seed=3, judge=judge)
    assert found.value is broken
    assert len(calls) == 1


async def test_a_mistake_in_the_scenario_is_raised_as_it_is(judge: Judge) -> None:
    async def example(_: int) -> None:
        raise KeyError("booking")

    with pytest.raises(KeyError, match="booking"):
        await properties.check(st.integers(), example, examples=100, seed=3, judge=judge)


async def test_a_time_out_inside_an_example_is_not_taken_for_its_deadline(judge: Judge) -> None:
    async def example(_: int) -> None:
        raise TimeoutError("of its own")

    with pytest.raises(TimeoutError, match="of its own"):
        await properties.check(st.integers(), example, examples=100, seed=3, judge=judge)


async def test_a_failure_that_does_not_repeat_is_inconclusive(judge: Judge) -> None:
    calls = []

    async def example(n: int) -> None:
        calls.append(n)
        if len(calls) == 5:
            raise GapFound("seen once", observed="a coin")

    with pytest.raises(HarnessError, match=r"seen once \(a coin\)"):
        await properties.check(st.integers(), example, examples=100, seed=3, judge=judge)


async def test_a_strategy_that_draws_from_elsewhere_is_inconclusive(judge: Judge) -> None:
    draws = []

    @st.composite
    def unsteady(draw: st.DrawFn) -> int:
        draws.append(1)
        return sum(draw(st.integers(0, 9)) for _ in range(len(draws) % 7))

    async def example(n: int) -> None:
        if n > 5:
            raise GapFound("too big")

    with pytest.raises(HarnessError):
        await properties.check(unsteady(), example, examples=100, seed=3, judge=judge)


async def test_a_strategy_that_rejects_everything_is_inconclusive(judge: Judge) -> None:
    async def example(_: int) -> None: ...

    with pytest.raises(HarnessError, match="rejects nearly all"):
        await properties.check(
            st.integers().filter(lambda n: False), example, examples=100, seed=3, judge=judge
        )
    (result,) = judge.conclude(None)
    assert result.verdict is Verdict.INCONCLUSIVE


async def test_an_example_that_hangs_is_cut_off(judge: Judge) -> None:
    async def example(_: int) -> None:
        await asyncio.Event().wait()

    with pytest.raises(DeadlineExceeded, match="did not end within"):
        await properties.check(st.integers(), example, examples=3, seed=3, judge=judge, example_s=0.01)


async def test_a_cancelled_scenario_leaves_no_example_running(judge: Judge) -> None:
    started, ended = asyncio.Event(), asyncio.Event()

    async def example(_: int) -> None:
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    task = asyncio.create_task(properties.check(st.integers(), example, examples=9, seed=3, judge=judge))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.wait_for(ended.wait(), 5)
