"""Searching schedules: which to run next, and whether all have been run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.explore.schedule import Prefix, Step


@dataclass(frozen=True, slots=True)
class Counts:
    """How far a search has come.

    Args:
        run: schedules that were run and learnt from.
        disturbed: runs that nothing could be learnt from.
        diverged: runs that contradicted what earlier ones had shown.
        skipped: places of the space that were given up for one of these reasons.
    """

    run: int = 0
    disturbed: int = 0
    diverged: int = 0
    skipped: int = 0


class Search:
    """Goes through the schedules of `actors` actors within a bound of preemptions.

    Use: `while (prefix := search.next()) is not None:` run it, then `learn` or `disturbed`.

    Args:
        actors: how many there are.
        preemptions: the bound; None: no bound.
        reduce: leave out schedules that differ from one that was run only in the order of
            independent steps.
        limit: run at most so many, spread over the space from `seed`.
        seed: of the order; without a limit the order is depth-first.
        shard: (i, n), from 1: only the i-th of n disjoint parts, which together are the whole.
    """

    def __init__(
        self,
        actors: int,
        *,
        preemptions: int | None = 2,
        reduce: bool = True,
        limit: int | None = None,
        seed: int = 0,
        shard: tuple[int, int] = (1, 1),
    ) -> None: ...

    def next(self) -> Prefix | None:
        """What to run next; None when the space is exhausted or the limit is reached."""
        raise NotImplementedError

    def learn(self, steps: Sequence[Step]) -> None:
        """What came of the prefix that `next` gave last: all its steps, to the end of every actor."""
        raise NotImplementedError

    def disturbed(self, why: str) -> None:
        """Nothing may be concluded from the run of the last prefix; it is tried once more, then skipped."""
        raise NotImplementedError

    @property
    def exhausted(self) -> bool:
        """Every schedule within the bound was run, or one that differs only in independent steps."""
        raise NotImplementedError

    @property
    def counts(self) -> Counts:
        raise NotImplementedError

    @property
    def notes(self) -> tuple[str, ...]:
        """Why it is not exhausted, and what was noticed."""
        raise NotImplementedError
