"""The search over schedules: which to run next, and whether all were run.

The search traverses *every* schedule within the bound, fewest preemptions first, most of them without a run:
if earlier runs showed what a step does (`search.unfolding`), its successor state is known. A schedule is run
only if the search reaches an unknown step, or an end that no run has reached. So each run ends in a trace (an
order of dependent steps) in which no earlier run ended, every trace that has a schedule within the bound is
run, and none is run twice.

Partial-order reduction and a preemption bound usually conflict: DPOR with sleep sets misses traces whose only
schedules within the bound are in another order, unless conservative backtrack points are added (Coons,
Musuvathi, McKinley, Bounded partial-order reduction, OOPSLA 2013). Here this does not occur, because no
schedule is pruned in favour of an equivalent one that exceeds the bound: of two that lead to the same state
with the same actor running, the one with fewer preemptions is visited first (compare happens-before caching
in Musuvathi, Qadeer, Partial-order reduction for context-bounded state exploration, 2007).
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from overbooked.errors import HarnessError
from overbooked.interleavings.search.fairness import enabled_of, yielding_after
from overbooked.interleavings.search.schedule import Prefix, Step, is_preemption, usual
from overbooked.interleavings.search.unfolding import Diverged, State, Unfolding

_TRIES = 2


@dataclass(frozen=True, slots=True)
class SearchCounts:
    """The progress of a search.

    Args:
        run: number of schedules that were run and learnt from.
        disturbed: number of disturbed runs.
        diverged: number of runs that contradicted earlier ones.
        skipped: number of branches that were skipped, because every try was disturbed or diverged.
        waiting: number of known branches within the bound that were not explored yet.
        scouts: number of runs that another shard counts.
    """

    run: int = 0
    disturbed: int = 0
    diverged: int = 0
    skipped: int = 0
    waiting: int = 0
    scouts: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class _Node:
    """A state reached by one schedule, with everything else that determines its continuations."""

    state: State
    running: int | None
    yielding: frozenset[int]
    came_from: _Node | None
    preemptions: int
    on_spine: bool

    @property
    def name(self) -> tuple[State, int | None, frozenset[int], bool]:
        return self.state, self.running, self.yielding, self.on_spine

    def path(self) -> tuple[int, ...]:
        found: list[int] = []
        point: _Node | None = self
        while point is not None and point.running is not None:
            found.append(point.running)
            point = point.came_from
        return tuple(reversed(found))


@dataclass(frozen=True, slots=True, eq=False)
class _Edge:
    """A branch to explore: a step of an actor from a node; without an actor, the node is an end."""

    point: _Node | None
    actor: int | None
    preemptions: int = 0
    on_spine: bool = False

    def path(self) -> tuple[int, ...]:
        before = self.point.path() if self.point else ()
        return before if self.actor is None else (*before, self.actor)


class ScheduleSearch:
    """Enumerates the schedules of `actors` actors within a bound of preemptions.

    Use: `while (prefix := search.next()) is not None:` run it, then call one of `learn`, `disturbed`
    and `diverged`.

    Args:
        actors: number of actors.
        preemptions: the bound; None: unlimited.
        reduce: skip schedules that differ from one that was run only in the order of independent steps.
        limit: maximum number of runs, in random order; None: unlimited, depth-first.
        seed: determines the random order.
        shard: (i, n), from 1: search only the i-th of n disjoint parts of the whole.
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
    ) -> None:
        if actors < 1 or (preemptions is not None and preemptions < 0) or (limit is not None and limit < 0):
            raise ValueError(f"no search of {actors} actors, {preemptions} preemptions and {limit} schedules")
        if not 1 <= shard[0] <= shard[1]:
            raise ValueError(f"wanted a shard from 1 to {shard[1]}, found {shard[0]}")
        self.bound = preemptions
        self.reduced = reduce
        self._limit = limit
        self._random = random.Random(f"{seed}:{shard}")
        self._shard = shard
        self._branches = 0
        self._unfolding = Unfolding(actors, reduce=reduce)
        self._visited: set[tuple[State, int | None, frozenset[int], bool]] = set()
        self._open: list[list[_Edge]] = [[_Edge(None, None)]]
        self._given: _Edge | None = None
        self._again: _Edge | None = None
        self._tries = 0
        self._counts = SearchCounts()
        self._notes: list[str] = []

    # -- public -----------------------------------------------------------------------

    def next(self) -> Prefix | None:
        """Return the prefix to run next; None if the space is exhausted or the limit is reached.

        Raises:
            HarnessError: the result of the last prefix was not reported.
        """
        if self._given is not None:
            raise HarnessError(
                "the search was asked for a schedule before the result of the last one was reported"
            )
        edge = self._again or self._find()
        if edge is None:
            return None
        if self._limit is not None and self.attempts >= self._limit:
            if edge is not self._again:
                self._enqueue(edge)
            return None
        self._given = edge
        scout = edge.point is None and self._shard[0] > 1
        return Prefix(edge.path(), self.attempts + 1, edge.preemptions, scout)

    def learn(self, steps: Sequence[Step]) -> bool:
        """Learn from the run of the prefix that `next` returned last: its steps, to the end of every actor.

        Returns:
            Whether the run is consistent with earlier ones. If not, it diverged: the system is not
            deterministic at the wire, or a footprint is incomplete.
        """
        edge, path = self._told()
        taken = tuple(step.actor for step in steps)
        if taken[: len(path)] != path:
            self._failed(edge, "diverged", f"wanted the schedule {path}, and {taken[: len(path)]} was taken")
            return False
        try:
            self._unfolding.learn(steps)
        except Diverged as why:
            self._failed(edge, "diverged", str(why))
            return False
        self._again, self._tries = None, 0
        if edge.point is None and self._shard[0] > 1:
            self._count("scouts")
        else:
            self._count("run")
        self._expand(edge)
        return True

    def disturbed(self, why: str) -> None:
        """Report that the run of the last prefix is inconclusive; it is tried once more, then skipped."""
        self._failed(self._told()[0], "disturbed", why)

    def diverged(self, why: str) -> None:
        """Report that the last prefix could not be followed; it is tried once more, then skipped."""
        self._failed(self._told()[0], "diverged", why)

    @property
    def attempts(self) -> int:
        """The number of runs so far, including disturbed and diverged ones."""
        counts = self._counts
        return counts.run + counts.disturbed + counts.diverged

    @property
    def exhausted(self) -> bool:
        """Whether every schedule of this shard within the bound, or an equivalent one, was run."""
        if self._given or self._again or self._counts.skipped:
            return False
        return not any(self._open)

    @property
    def counts(self) -> SearchCounts:
        """The progress so far."""
        return replace(self._counts, waiting=sum(map(len, self._open)))

    @property
    def notes(self) -> tuple[str, ...]:
        """The reasons why runs were disturbed or diverged, and footprints that do not explain a run."""
        return (*self._notes, *sorted(self._unfolding.surprises))

    # -- one run -------------------------------------------------------------------------------

    def _told(self) -> tuple[_Edge, tuple[int, ...]]:
        edge, self._given = self._given, None
        if edge is None:
            raise HarnessError("a run was reported to the search that it had not requested")
        return edge, edge.path()

    def _count(self, what: str) -> None:
        self._counts = replace(self._counts, **{what: getattr(self._counts, what) + 1})

    def _failed(self, edge: _Edge, how: str, why: str) -> None:
        self._count(how)
        self._notes.append(f"{how}: {why}")
        self._tries += 1
        self._again = edge
        if self._tries == _TRIES:
            self._again, self._tries = None, 0
            self._count("skipped")

    # -- going through the space -----------------------------------------------------------------

    def _find(self) -> _Edge | None:
        """Return the next edge whose outcome is unknown without a run, fewest preemptions first."""
        for level in self._open:
            while level:
                edge = self._take(level)
                if self._must_run(edge):
                    return edge
                self._expand(edge)
        return None

    def _take(self, level: list[_Edge]) -> _Edge:
        if self._limit is not None:
            chosen = self._random.randrange(len(level))
            level[chosen], level[-1] = level[-1], level[chosen]
        return level.pop()

    def _must_run(self, edge: _Edge) -> bool:
        if edge.point is None:
            return True
        if edge.actor is None:
            return not edge.point.state.ran
        return self._unfolding.step(edge.point.state, edge.actor) is None

    def _expand(self, edge: _Edge) -> None:
        """Follow an edge to its known successor, and from there all known steps without a preemption."""
        if edge.point is None:
            assert self._unfolding.root is not None
            ahead = [_Node(self._unfolding.root, None, frozenset(), None, 0, self._shard[1] > 1)]
        elif edge.actor is None:
            ahead = []
        else:
            ahead = [self._successor(edge)]
        while ahead:
            point = ahead.pop()
            name = point.name
            if name in self._visited:
                continue
            self._visited.add(name)
            if not point.state.pending:
                if not point.state.ran:
                    self._enqueue(_Edge(point, None, point.preemptions))
                continue
            for further in self._edges(point):
                if further.preemptions > point.preemptions or self._must_run(further):
                    self._enqueue(further)
                else:
                    ahead.append(self._successor(further))

    def _edges(self, point: _Node) -> Iterator[_Edge]:
        enabled = enabled_of(point.state.pending, point.yielding)
        default = usual(enabled, point.running)
        for actor in enabled:
            dearer = is_preemption(actor, enabled, point.running)
            preemptions = point.preemptions + dearer
            spine = point.on_spine and actor == default
            if point.on_spine and not spine and not self._is_ours():
                continue
            if self.bound is None or preemptions <= self.bound:
                yield _Edge(point, actor, preemptions, spine)

    def _is_ours(self) -> bool:
        """Return whether the next branch of the first schedule is this shard's; they are dealt back and
        forth."""
        mine, shards = self._shard
        turn, place = divmod(self._branches, shards)
        self._branches += 1
        return (place if turn % 2 == 0 else shards - 1 - place) == mine - 1

    def _successor(self, edge: _Edge) -> _Node:
        point, actor = edge.point, edge.actor
        assert point is not None
        assert actor is not None
        known = self._unfolding.step(point.state, actor)
        assert known is not None
        state, event = known
        yielding = yielding_after(point.yielding, actor, yields=event.yields)
        return _Node(state, actor, yielding, point, edge.preemptions, edge.on_spine)

    def _enqueue(self, edge: _Edge) -> None:
        while len(self._open) <= edge.preemptions:
            self._open.append([])
        self._open[edge.preemptions].append(edge)
