"""Searching schedules: which to run next, and whether all have been run.

The search goes through *every* schedule within the bound, fewest preemptions first, but most of them in
thought: where earlier runs have shown what a step does (`search.unfolding`), it needs no run to
know where the step leads. It runs a schedule when it comes to a step that no run has shown, or to an end
that no run has reached. So each run ends in a trace (an order of dependent steps) that no earlier run
ended in, every trace that has a schedule within the bound is run, and none is run twice.

Reducing and bounding do not get along otherwise: DPOR with sleep sets loses what lies within the bound
only in another order, unless conservative backtrack points bring it back (Coons, Musuvathi, McKinley,
Bounded partial-order reduction, OOPSLA 2013). Here nothing has to be brought back, since no schedule is
ever pruned because an equivalent one was too dear: two that lead to the same state with the same actor
running are told apart by their preemptions, and the cheaper one comes first (compare happens-before
caching in Musuvathi, Qadeer, Partial-order reduction for context-bounded state exploration, 2007).
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
class Counts:
    """How far a search has come.

    Args:
        run: schedules that were run and learnt from.
        disturbed: runs that nothing could be concluded from.
        diverged: runs that contradicted what earlier ones had shown.
        skipped: places of the space that were given up, since every try was disturbed or diverged.
        waiting: steps within the bound that are known to be possible and were not yet looked at.
        scouts: runs that another shard counts.
    """

    run: int = 0
    disturbed: int = 0
    diverged: int = 0
    skipped: int = 0
    waiting: int = 0
    scouts: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class _Point:
    """A state as one schedule comes to it, with whatever else decides how it may go on."""

    state: State
    running: int | None
    yielding: frozenset[int]
    came_from: _Point | None
    preemptions: int
    on_spine: bool

    @property
    def name(self) -> tuple[State, int | None, frozenset[int], bool]:
        return self.state, self.running, self.yielding, self.on_spine

    def path(self) -> tuple[int, ...]:
        found: list[int] = []
        point: _Point | None = self
        while point is not None and point.running is not None:
            found.append(point.running)
            point = point.came_from
        return tuple(reversed(found))


@dataclass(frozen=True, slots=True, eq=False)
class _Edge:
    """Something to look at: a step from a point; without an actor, the point is an end."""

    point: _Point | None
    actor: int | None
    preemptions: int = 0
    on_spine: bool = False

    def path(self) -> tuple[int, ...]:
        before = self.point.path() if self.point else ()
        return before if self.actor is None else (*before, self.actor)


class Search:
    """Goes through the schedules of `actors` actors within a bound of preemptions.

    Use: `while (prefix := search.next()) is not None:` run it, then call one of `learn`, `disturbed`
    and `diverged`.

    Args:
        actors: how many there are.
        preemptions: the bound; None: no bound.
        reduce: leave out schedules that differ from one that was run only in the order of
            independent steps.
        limit: run at most so many, spread over the space from `seed`; None: depth-first, to the end.
        seed: of that order.
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
        self._counts = Counts()
        self._notes: list[str] = []

    # -- what others see -----------------------------------------------------------------------

    def next(self) -> Prefix | None:
        """What to run next; None when the space is exhausted or the limit is reached.

        Raises:
            HarnessError: it was not told what came of the last one.
        """
        if self._given is not None:
            raise HarnessError("the search was asked for a schedule before it was told what came of the last")
        edge = self._again or self._find()
        if edge is None:
            return None
        if self._limit is not None and self.attempts >= self._limit:
            if edge is not self._again:
                self._leave_open(edge)
            return None
        self._given = edge
        scout = edge.point is None and self._shard[0] > 1
        return Prefix(edge.path(), self.attempts + 1, edge.preemptions, scout)

    def learn(self, steps: Sequence[Step]) -> bool:
        """What came of the prefix that `next` gave last: all its steps, to the end of every actor.

        Returns:
            Whether it fits what earlier runs have shown. If not, the run diverged: the system is not
            deterministic at the wire, or a footprint leaves out what a step touches.
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
        self._look_at(edge)
        return True

    def disturbed(self, why: str) -> None:
        """Nothing may be concluded from the run of the last prefix; it is tried once more, then skipped."""
        self._failed(self._told()[0], "disturbed", why)

    def diverged(self, why: str) -> None:
        """The last prefix could not be followed; it is tried once more, then skipped."""
        self._failed(self._told()[0], "diverged", why)

    @property
    def attempts(self) -> int:
        """Runs so far, disturbed and diverged ones among them."""
        counts = self._counts
        return counts.run + counts.disturbed + counts.diverged

    @property
    def exhausted(self) -> bool:
        """Every schedule of this shard within the bound was run, or one that is equivalent."""
        if self._given or self._again or self._counts.skipped:
            return False
        return not any(self._open)

    @property
    def counts(self) -> Counts:
        """How far it has come."""
        return replace(self._counts, waiting=sum(map(len, self._open)))

    @property
    def notes(self) -> tuple[str, ...]:
        """What was noticed: why runs were disturbed or diverged, footprints that do not explain a run."""
        return (*self._notes, *sorted(self._unfolding.surprises))

    # -- one run -------------------------------------------------------------------------------

    def _told(self) -> tuple[_Edge, tuple[int, ...]]:
        edge, self._given = self._given, None
        if edge is None:
            raise HarnessError("the search was told of a run that it had not asked for")
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
        """The next that only a run can tell about, fewest preemptions first."""
        for level in self._open:
            while level:
                edge = self._take(level)
                if self._must_run(edge):
                    return edge
                self._look_at(edge)
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

    def _look_at(self, edge: _Edge) -> None:
        """Go where an edge is known to lead, and on from there as far as is known without preemption."""
        if edge.point is None:
            assert self._unfolding.root is not None
            ahead = [_Point(self._unfolding.root, None, frozenset(), None, 0, self._shard[1] > 1)]
        elif edge.actor is None:
            ahead = []
        else:
            ahead = [self._beyond(edge)]
        while ahead:
            point = ahead.pop()
            name = point.name
            if name in self._visited:
                continue
            self._visited.add(name)
            if not point.state.pending:
                if not point.state.ran:
                    self._leave_open(_Edge(point, None, point.preemptions))
                continue
            for further in self._edges(point):
                if further.preemptions > point.preemptions or self._must_run(further):
                    self._leave_open(further)
                else:
                    ahead.append(self._beyond(further))

    def _edges(self, point: _Point) -> Iterator[_Edge]:
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
        """Deals the branches off the first schedule out to the shards, to and fro."""
        mine, shards = self._shard
        turn, place = divmod(self._branches, shards)
        self._branches += 1
        return (place if turn % 2 == 0 else shards - 1 - place) == mine - 1

    def _beyond(self, edge: _Edge) -> _Point:
        point, actor = edge.point, edge.actor
        assert point is not None
        assert actor is not None
        known = self._unfolding.step(point.state, actor)
        assert known is not None
        state, event = known
        yielding = yielding_after(point.yielding, actor, yields=event.yields)
        return _Point(state, actor, yielding, point, edge.preemptions, edge.on_spine)

    def _leave_open(self, edge: _Edge) -> None:
        while len(self._open) <= edge.preemptions:
            self._open.append([])
        self._open[edge.preemptions].append(edge)
