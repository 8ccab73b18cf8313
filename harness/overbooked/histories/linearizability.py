"""The Wing-Gong-Lowe search over one partition, resumable so that partitions can take turns.

J. Wing and C. Gong, Testing and verifying concurrent objects, JPDC 17 (1993); G. Lowe, Testing for
linearizability, CCPE 29 (2017), whose memo of (operations linearized, state) makes it practical; the
linked list of calls and returns with lift and unlift is as in A. Athalye's porcupine.

Time is read as closed intervals: of a call and a return at one moment the call comes first, so that
the two operations are concurrent. With open intervals a coarse clock would forge an order: write(1)
over [0, 5] and read() -> 0 over [5, 9], started at the very tick at which the write was acknowledged,
would be illegal, though the read may really have come first and the clock merely failed to tell. Equal
stamps are no evidence of order, and a checker may only condemn on evidence.

An operation of unknown outcome has a call and no return: it may take effect at any later moment or
never. The search may leave it out, and so it ends when all operations that returned are placed.
"""

from __future__ import annotations

from collections import Counter
from enum import StrEnum
from random import Random
from typing import Generic

from overbooked.histories.model import Entry, M, Model, Partition, S
from overbooked.histories.operation import Operation


class Linearizability(StrEnum):
    """What a check found; UNKNOWN when time or steps ran out."""

    OK = "ok"
    ILLEGAL = "illegal"
    UNKNOWN = "unknown"


_HEAD = 0
# A search that has gone wrong early seldom recovers, and one that goes well is through in a few steps an
# operation: so attempts are short, and each goes by another order (C. Gomes et al., Heavy-tailed
# phenomena in satisfiability and constraint satisfaction problems, JAR 24 (2000)).
STEPS_PER_OPERATION = 30
SHORTEST_ATTEMPT_STEPS = 1_500
ATTEMPT_GROWTH = 1.02
# By how many events at most a choice may come before a more urgent one.
WHIMS = (5.0, 20.0, 60.0, 200.0)


class Search(Generic[S, M]):
    """One partition being checked; `run` goes on where it stopped.

    Three reductions keep bursts cheap, and none loses a legal order. Let the search be in a configuration
    from which some order T of the remaining operations is legal.

    *Observers first.* If the call of x is before every remaining return, x changes no state in any
    state (`Model.observes`), and x is legal now, then x followed by T without x is legal too: no other
    operation sees whether x was there, and being called before every remaining return x may come first.
    So x is placed at once, with no alternative kept. (A refused booking of a full slot, say.)

    *Of equals the one that returns first.* Let x and y have equal moves, both called before every
    remaining return, x returning no later than y. If T begins with y, swap the two: moves are equal, so
    states are; x may come first as said; and whatever is called after the return of y, so after the
    return of x, comes after x in T, so after the new place of y. So y need not be tried.

    *Nothing is ended while it is needed.* What ends a thing for good (`Model.ends`) is not placed while an
    operation that must be placed still needs it (`Model.needs`): no T begins so. (A cancellation waits
    for the reschedules of its booking that succeeded.)
    """

    def __init__(self, model: Model[S, M], partition: Partition[S, M]) -> None:
        self.key = partition.key
        self.steps = 0
        self.verdict: Linearizability | None = None
        self._model = model
        # What never changes a state and has no certain answer constrains nothing.
        self._entries: list[Entry[M]] = [
            entry
            for entry in partition.entries
            if not ((entry.returned_at is None or entry.optional) and model.observes(entry.move))
        ]
        self._lay_out()
        self._observer = [model.observes(entry.move) for entry in self._entries]
        self._needs = [model.needs(entry.move) for entry in self._entries]
        self._ends = [model.ends(entry.move) for entry in self._entries]
        # How many operations that must still be placed need a thing.
        self._needed = Counter(
            thing
            for entry, thing in zip(self._entries, self._needs, strict=True)
            if thing is not None and entry.returned_at is not None and not entry.optional
        )
        self._left = sum(entry.returned_at is not None for entry in self._entries)
        self._state: S = partition.initial
        self._placed = 0  # bit i: operation i is linearized
        self._order: list[int] = []
        self._memo: set[tuple[int, S]] = set()
        # One frame a choice made: where the order stood, state and bits before, choices left.
        self._stack: list[tuple[int, S, int, list[tuple[int, S]]]] = []
        self._choices: list[tuple[int, S]] | None = None
        self._best: list[int] = []
        self._random = Random(0)
        self._whim = 0.0
        self._attempt_steps = max(SHORTEST_ATTEMPT_STEPS, STEPS_PER_OPERATION * len(self._entries))
        self._attempt_ends = self._attempt_steps

    @property
    def size(self) -> int:
        """How many operations the search has to place."""
        return len(self._entries)

    def _lay_out(self) -> None:
        """Calls and returns in order of time as a doubly linked list of event numbers from 1."""
        events: list[tuple[float, int, int]] = []
        for i, entry in enumerate(self._entries):
            events.append((entry.called_at, 0, i))
            if entry.returned_at is not None:
                events.append((entry.returned_at, 1, i))
        events.sort()
        self._tail = len(events) + 1
        self._next = [*range(1, len(events) + 2), self._tail]
        self._previous = [0, *range(len(events) + 1)]
        self._of_event = [-1, *(i if kind == 0 else -1 for _, kind, i in events), -1]
        self._call = [0] * len(self._entries)
        self._return = [self._tail] * len(self._entries)
        for number, (_, kind, i) in enumerate(events, start=1):
            (self._return if kind else self._call)[i] = number

    # -- running -------------------------------------------------------------------------------

    def run(self, steps: int) -> Linearizability | None:
        """Search on for about `steps` transitions; None when it has not come to an end."""
        until = self.steps + steps
        while self.verdict is None and self.steps < until:
            if self._choices is None:
                self._enter()
            elif self.steps >= self._attempt_ends:
                self._start_over()
            elif self._choices:
                self._choose(*self._choices.pop())
            elif self._stack:
                self._retreat()
            else:
                self._remember_best()
                self.verdict = Linearizability.ILLEGAL
        return self.verdict

    def _enter(self) -> None:
        """A configuration just reached: place what needs no choice, then list the choices."""
        choices = self._scan()
        while choices is None:
            choices = self._scan()
        if not self._left:
            self.verdict = Linearizability.OK
            self._best = self._order
            return
        at = (self._placed, self._state)
        if at in self._memo:
            self._choices = []
            return
        self._memo.add(at)
        if not choices:
            self._remember_best()
        self._choices = choices

    def _scan(self) -> list[tuple[int, S]] | None:
        """The choices here, the one to try first last; None when observers were placed instead."""
        following, of_event, returns = self._next, self._of_event, self._return
        state, step, entries = self._state, self._model.step, self._entries
        earliest: dict[tuple[M, bool], int] = {}
        observed = False
        event = following[_HEAD]
        while (i := of_event[event]) >= 0:
            event = following[event]
            entry = entries[i]
            if self._observer[i]:
                self.steps += 1
                if step(state, entry.move):
                    self._lift(i)
                    observed = True
                continue
            if self._ends[i] is not None and self._too_early(i):
                continue
            like = (entry.move, entry.optional)
            other = earliest.get(like)
            if other is None or returns[i] < returns[other]:
                earliest[like] = i
        if observed:
            return None
        choices: list[tuple[int, S]] = []
        # What returns first is tried first: it must be placed soonest.
        for i in sorted(earliest.values(), key=self._urgency):
            entry = entries[i]
            self.steps += 1
            unknown = entry.returned_at is None
            # An unknown operation without effect is as good as left out.
            after = [new for new in step(state, entry.move) if not (unknown and new == state)]
            if entry.optional and not unknown and state not in after:
                choices.append((i, state))
            choices.extend((i, new) for new in after)
        return choices

    def _must_be_placed(self, i: int) -> bool:
        return self._return[i] != self._tail and not self._entries[i].optional

    def _too_early(self, i: int) -> bool:
        """Whether the operation would end what another one that must be placed still needs."""
        thing = self._ends[i]
        own = thing == self._needs[i] and self._must_be_placed(i)
        return self._needed[thing] > own

    def _urgency(self, i: int) -> float:
        return self._whim * self._random.random() - self._return[i] if self._whim else -self._return[i]

    def _choose(self, i: int, state: S) -> None:
        assert self._choices is not None
        self._stack.append((len(self._order), self._state, self._placed, self._choices))
        self._lift(i)
        self._state = state
        self._choices = None

    def _retreat(self) -> None:
        length, self._state, self._placed, self._choices = self._stack.pop()
        while len(self._order) > length:
            self._unlift(self._order.pop())

    def _start_over(self) -> None:
        """Back to the beginning with another order of choices, keeping what is known to be dead.

        What was reached and is not on the stack was searched to its end, so it stays in the memo.
        """
        while self._stack:
            self._memo.discard((self._placed, self._state))
            self._retreat()
        self._memo.discard((self._placed, self._state))
        self._choices = None
        self._attempt_steps = int(self._attempt_steps * ATTEMPT_GROWTH)
        self._attempt_ends = self.steps + self._attempt_steps
        self._whim = self._random.choice(WHIMS)

    def _lift(self, i: int) -> None:
        following, previous = self._next, self._previous
        for event in (self._call[i], self._return[i]):
            if event != self._tail:
                before, after = previous[event], following[event]
                following[before] = after
                previous[after] = before
        self._left -= self._return[i] != self._tail
        if self._needs[i] is not None and self._must_be_placed(i):
            self._needed[self._needs[i]] -= 1
        self._placed |= 1 << i
        self._order.append(i)

    def _unlift(self, i: int) -> None:
        following, previous = self._next, self._previous
        for event in (self._return[i], self._call[i]):
            if event != self._tail:
                following[previous[event]] = event
                previous[following[event]] = event
        self._left += self._return[i] != self._tail
        if self._needs[i] is not None and self._must_be_placed(i):
            self._needed[self._needs[i]] += 1

    # -- reporting -----------------------------------------------------------------------------

    def _remember_best(self) -> None:
        if len(self._order) > len(self._best):
            self._best = list(self._order)

    @property
    def operations(self) -> tuple[Operation, ...]:
        """What the search has to place."""
        return tuple(entry.operation for entry in self._entries)

    def order(self) -> tuple[Operation, ...]:
        """The longest legal order found so far: of OK, a linearization of the whole partition."""
        return tuple(self._entries[i].operation for i in self._best)
