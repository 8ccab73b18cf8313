"""Runs Hypothesis against a system: examples are awaited on the scenario's own loop.

Hypothesis is synchronous, so it runs in a worker thread and hands each example to the loop. It is
seeded and keeps no database: the same seed tries the same examples, on any machine.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence, Set
from dataclasses import fields, is_dataclass
from typing import Any, Generic, TypeVar

from hypothesis import HealthCheck, Phase, Verbosity, given, settings
from hypothesis import seed as seeded
from hypothesis.errors import FailedHealthCheck, Flaky, HypothesisException, UnsatisfiedAssumption
from hypothesis.strategies import SearchStrategy

from overbooked.catalog.model import Means
from overbooked.concurrency import run_all
from overbooked.errors import DeadlineExceeded, GapFound, HarnessError
from overbooked.verdicts.exercise import Exercise
from overbooked.verdicts.judge import Judge

T = TypeVar("T")


class _Stop(BaseException):
    """Not an Exception, because Hypothesis would treat that as a failing example to shrink."""


async def check(
    strategy: SearchStrategy[T],
    example: Callable[[T], Awaitable[None]],
    *,
    examples: int,
    seed: int,
    judge: Judge,
    always: Sequence[T] = (),
    at_once: int = 1,
    count: str = "examples",
    shrink_s: float = 10.0,
    example_s: float = 30.0,
) -> None:
    """Check a property with examples of a strategy.

    Args:
        strategy: generates examples; everything random in an example must come from it.
        example: runs one on the system and raises GapFound if the property does not hold. Examples run one
            after another in one system, so each creates its own slots and customers.
        examples: the number to run; a strategy with fewer distinct ones ends sooner.
        seed: the same seed runs the same examples in the same order.
        always: examples that are run first, whatever the seed and the budget, `at_once` at a time: the values
            that are most dangerous.
        at_once: the number of these examples that run at the same time.
        judge: counts completed examples under `count`; without any there is no evidence.
        shrink_s: seconds to look for a smaller failing example after one is found.
        example_s: deadline of one example in seconds.

    Raises:
        GapFound: the property does not hold; `details["example"]` is the smallest failing example.
        HarnessError: an example could not be run; a failing one passed when it was run again, so the
            failure does not depend on the example alone; or the strategy rejects nearly all examples.
    """
    judge.tally(count, 0)

    def passed() -> None:
        judge.tally(count)
        judge.exercised(Exercise(Means.PROPERTIES, 1))

    for start in range(0, len(always), at_once):
        await run_all(*(_first(value, example, passed) for value in always[start : start + at_once]))
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


async def _first(value: T, example: Callable[[T], Awaitable[None]], passed: Callable[[], None]) -> None:
    """Run an example that is not drawn; a finding names it."""
    try:
        await example(value)
    except GapFound as gap:
        gap.details = {**gap.details, "example": shown(value)}
        raise
    passed()


class _Trial(Generic[T]):
    """One run of Hypothesis: the error that ended it, or the smallest failing example."""

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
        """Run Hypothesis; blocking, so call it in a thread."""
        quiet = settings(
            max_examples=examples,
            database=None,
            deadline=None,
            derandomize=False,
            report_multiple_bugs=False,
            print_blob=False,
            verbosity=Verbosity.quiet,
            phases=[Phase.generate, Phase.shrink],
            # The duration of an example depends on the system. A strategy that rejects nearly all examples
            # still fails.
            suppress_health_check=[h for h in HealthCheck if h is not HealthCheck.filter_too_much],
        )
        test = seeded(seed)(quiet(given(strategy)(self._one)))
        try:
            test()
        except (_Stop, GapFound):
            pass  # the gap is in `failed`: the last run is the smallest example
        except Flaky as error:
            self.broke = self._not_again(error)
        except FailedHealthCheck as error:
            self.broke = HarnessError(
                f"expected {examples} examples, but the strategy rejects nearly all that it draws: {error}; "
                f"construct valid examples instead of filtering"
            )
        except HypothesisException as error:
            self.broke = HarnessError(f"Hypothesis could not run the property: {error}")

    def stop(self) -> None:
        """Stop the thread soon, because the scenario has ended."""
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
        # `stop` runs on this loop too: either its effect is seen here, or it sees the task.
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
            f"a failing example passed when it was run again: {gap.what} "
            f"({gap.observed or 'nothing observed'}), example {shown(value)!r}; the failure does not "
            f"depend on the example alone: judge it by a burst"
        )


def shown(value: Any) -> Any:
    """Return a JSON-compatible form of a value: a dataclass as an object, other types as text."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: shown(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): shown(item) for key, item in value.items()}
    if isinstance(value, Sequence | Set) and not isinstance(value, bytes | bytearray):
        return [shown(item) for item in value]
    return str(value)
