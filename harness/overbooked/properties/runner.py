"""Hypothesis against a running system: examples are awaited on the scenario's own loop.

Hypothesis is synchronous, so it runs in a worker thread and hands each example to the loop. It is
seeded and keeps no database: the same seed tries the same examples, on any machine.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from hypothesis import HealthCheck, Phase, Verbosity, given, settings
from hypothesis import seed as seeded
from hypothesis.errors import FailedHealthCheck, Flaky, HypothesisException, UnsatisfiedAssumption
from hypothesis.strategies import SearchStrategy

from overbooked.catalog.model import Means
from overbooked.errors import DeadlineExceeded, GapFound, HarnessError
from overbooked.properties.shown import shown
from overbooked.verdicts.exercise import Exercise
from overbooked.verdicts.judge import Judge

T = TypeVar("T")


class _Stop(BaseException):
    """Passes through Hypothesis, which takes an Exception for a failing example to shrink."""


async def check(
    strategy: SearchStrategy[T],
    example: Callable[[T], Awaitable[None]],
    *,
    examples: int,
    seed: int,
    judge: Judge,
    count: str = "examples",
    shrink_s: float = 10.0,
    example_s: float = 30.0,
) -> None:
    """Hold a property against examples of a strategy.

    Args:
        strategy: what an example is; everything random in an example is to come from it.
        example: tries one on the system and raises GapFound when the property does not hold. Examples
            follow one another in one system, so each makes its own slots and people.
        examples: how many to try; a strategy with fewer distinct ones ends sooner.
        seed: the same seed tries the same examples in the same order.
        judge: counts the examples that came to their end, under `count`; none is no evidence.
        shrink_s: seconds to look for a smaller failing example, once one is found.
        example_s: deadline of one example.

    Raises:
        GapFound: the property does not hold; of the smallest failing example found, which is in
            `details["example"]`.
        HarnessError: an example could not be tried; or a failing one did not fail again, so that it
            is no property of the example; or the strategy hardly yields examples.
    """
    judge.tally(count, 0)

    def passed() -> None:
        judge.tally(count)
        judge.exercised(Exercise(Means.PROPERTIES, 1))

    trial = _Trial(asyncio.get_running_loop(), example, passed, shrink_s, example_s)
    try:
        await asyncio.to_thread(trial.run, strategy, examples, seed)
    finally:
        trial.stop()
    if trial.broke is not None:
        raise trial.broke
    if trial.failed is not None:
        value, gap, tried = trial.failed
        details = {**gap.details, "example": shown(value), "examples": tried}
        raise GapFound(
            gap.what,
            expected=gap.expected,
            observed=gap.observed,
            operations=gap.operations,
            details=details,
        ) from gap


class _Trial(Generic[T]):
    """One run of Hypothesis: what broke it, or the smallest example that failed."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        example: Callable[[T], Awaitable[None]],
        passed: Callable[[], None],
        shrink_s: float,
        example_s: float,
    ) -> None:
        self.broke: BaseException | None = None
        self.failed: tuple[T, GapFound, int] | None = None
        self._loop = loop
        self._example = example
        self._passed = passed
        self._shrink_s = shrink_s
        self._example_s = example_s
        self._shrink_until = float("inf")
        self._tried = 0
        self._stopped = threading.Event()
        self._task: asyncio.Task[None] | None = None

    def run(self, strategy: SearchStrategy[T], examples: int, seed: int) -> None:
        """Blocking; in a thread of its own."""
        quiet = settings(
            max_examples=examples,
            database=None,
            deadline=None,
            derandomize=False,
            report_multiple_bugs=False,
            print_blob=False,
            verbosity=Verbosity.quiet,
            phases=[Phase.generate, Phase.shrink],
            # An example takes as long as the system takes; a strategy that rejects nearly everything
            # is still refused.
            suppress_health_check=[h for h in HealthCheck if h is not HealthCheck.filter_too_much],
        )
        test = seeded(seed)(quiet(given(strategy)(self._one)))
        try:
            test()
        except (_Stop, GapFound):
            pass  # a gap is in `failed` already: the last run of all is the smallest example's
        except Flaky as error:
            self.broke = self._not_again(error)
        except FailedHealthCheck as error:
            self.broke = HarnessError(
                f"wanted {examples} examples, but the strategy rejects nearly all it draws: {error}; "
                f"build what is wanted instead of filtering"
            )
        except HypothesisException as error:
            self.broke = HarnessError(f"Hypothesis could not run the property: {error}")

    def stop(self) -> None:
        """Let the thread end soon, whatever it does; the scenario does not want the rest."""
        self._stopped.set()
        if self._task is not None:
            self._task.cancel()

    def _one(self, value: T) -> None:
        if self._stopped.is_set() or time.monotonic() >= self._shrink_until:
            raise _Stop
        try:
            asyncio.run_coroutine_threadsafe(self._awaited(value), self._loop).result()
        except GapFound as gap:
            if self.failed is None:
                self._shrink_until = time.monotonic() + self._shrink_s
            self.failed = (value, gap, self._tried)
            raise
        except UnsatisfiedAssumption:
            raise
        except BaseException as error:
            self.broke = error if isinstance(error, Exception) else None
            raise _Stop from error

    async def _awaited(self, value: T) -> None:
        # `stop` is called on this loop too: either it is seen here, or it sees the task.
        if self._stopped.is_set():
            raise _Stop
        self._task = asyncio.current_task()
        if self.failed is None:
            self._tried += 1
        deadline = asyncio.timeout(self._example_s)
        try:
            async with deadline:
                await self._example(value)
        except TimeoutError as error:
            if not deadline.expired():
                raise
            raise DeadlineExceeded(
                f"an example did not end within {self._example_s:g} s: {shown(value)!r}"
            ) from error
        if self.failed is None:
            self._passed()

    def _not_again(self, error: Flaky) -> HarnessError:
        if self.failed is None:
            return HarnessError(f"the strategy is not deterministic: {error}; draw everything from it")
        value, gap, _ = self.failed
        return HarnessError(
            f"wanted a failing example to fail again, but it passed the second time: {gap.what} "
            f"({gap.observed or 'nothing observed'}), example {shown(value)!r}; what is not decided by the "
            f"example is no property of it: judge it by a burst"
        )
