"""The Wing-Gong-Lowe search over one partition. It is resumable, so partitions can be searched in turns.

J. Wing and C. Gong, Testing and verifying concurrent objects, JPDC 17 (1993); G. Lowe, Testing for
linearizability, CCPE 29 (2017), whose memo of (operations linearized, state) makes it practical. The
linked list of calls and returns with lift and unlift follows A. Athalye's porcupine.

Intervals are closed: if a call and a return have the same timestamp, the call comes first, so the two
operations are concurrent. Open intervals with a coarse clock would report a false order: write(1) over
[0, 5] and read() -> 0 over [5, 9] would be illegal, although the read may have started before the write
was acknowledged within the same tick. Equal timestamps are no evidence of order.

An operation of unknown outcome has a call and no return: it may take effect at any later moment or
never. The search may leave it out, so it ends when all operations that returned are placed.
"""

from __future__ import annotations

from collections import Counter
from enum import StrEnum
from random import Random
from typing import Generic

from overbooked.histories.model import Entry, M, Model, Partition, S
from overbooked.histories.operation import Operation


class Linearizability(StrEnum):
    """The verdict of a check; UNKNOWN if time or steps ran out."""

    OK = "ok"
    ILLEGAL = "illegal"
    UNKNOWN = "unknown"


_HEAD = 0
# Run times are heavy-tailed: a search with a wrong early choice seldom recovers, others need a few steps
# per operation. So attempts are short, and each uses another order of choices (C. Gomes et al.,
# Heavy-tailed phenomena in satisfiability and constraint satisfaction problems, JAR 24 (2000)).
STEPS_PER_OPERATION = 30
SHORTEST_ATTEMPT_STEPS = 1_500
ATTEMPT_GROWTH = 1.02
# Maximum number of events by which a choice may be tried before a more urgent one.
ORDER_JITTER = (5.0, 20.0, 60.0, 200.0)


class LinearizabilitySearch(Generic[S, M]):
    """The search over one partition; `run` continues where it stopped.

    Three reductions keep bursts cheap, and none loses a legal order. Assume a configuration from which
    some order T of the remaining operations is legal.

    *Observers first.* If the call of x is before every remaining return, x changes no state in any
    state (`Model.observes`), and x is legal now, then x followed by T without x is legal too: x does not
    affect other operations, and it may come first because its call is before every remaining return.
    So x is placed at once, without an alternative (e.g. a refused booking of a full slot).

    *Among equals, the earliest return.* Let x and y have equal moves, both called before every remaining
    return, x returning no later than y. If T begins with y, swap the two. The moves are equal, so the
    states are too; x may come first, as above; and an operation called after the return of y is also
    called after the return of x, so it comes after x in T, that is, after the new place of y. So y need
    not be tried.

    *Ends come after needs.* A move that ends an object for good (`Model.ends`) is not placed while an
    operation that must be placed still needs the object (`Model.needs`), because no legal T begins that
    way (e.g. a cancellation comes after the successful reschedules of its booking).
    """

    def __init__(self, model: Model[S, M], partition: Partition[S, M]) -> None:
        self.key = partition.key
        self.steps = 0
        self.verdict: Linearizability | None = None
        self._model = model
        # An operation that never changes a state and has no certain answer is no constraint.
        self._entries: list[Entry[M]] = [
            entry
            for entry in partition.entries
            if not ((entry.returned_at is None or entry.optional) and model.observes(entry.move))
        ]
        self._lay_out()
        self._observer = [model.observes(entry.move) for entry in self._entries]
        self._needs = [model.needs(entry.move) for entry in self._entries]
        self._ends = [model.ends(entry.move) for entry in self._entries]
        # Per object, the number of operations that must still be placed and need it.
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
        # One frame per choice: length of the order, state and bits before it, remaining choices.
        self._stack: list[tuple[int, S, int, list[tuple[int, S]]]] = []
        self._choices: list[tuple[int, S]] | None = None
        self._best: list[int] = []
        self._random = Random(0)
        self._whim = 0.0
        self._attempt_steps = max(SHORTEST_ATTEMPT_STEPS, STEPS_PER_OPERATION * len(self._entries))
        self._attempt_ends = self._attempt_steps

    @property
    def size(self) -> int:
        """The number of operations that the search has to place."""
        return len(self._entries)

    def _lay_out(self) -> None:
        """Build the doubly linked list of calls and returns in time order; event numbers start at 1."""
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
        """Continue the search for about `steps` transitions; None if it is not finished."""
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
        """Enter a new configuration: place the operations that need no choice, then list the choices."""
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
        """The choices in this configuration, the first to try last; None if observers were placed instead."""
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
        # The earliest return is tried first, because it must be placed first.
        for i in sorted(earliest.values(), key=self._urgency):
            entry = entries[i]
            self.steps += 1
            unknown = entry.returned_at is None
            # An unknown operation without effect is equivalent to leaving it out.
            after = [new for new in step(state, entry.move) if not (unknown and new == state)]
            if entry.optional and not unknown and state not in after:
                choices.append((i, state))
            choices.extend((i, new) for new in after)
        return choices

    def _must_be_placed(self, i: int) -> bool:
        return self._return[i] != self._tail and not self._entries[i].optional

    def _too_early(self, i: int) -> bool:
        """Whether the operation ends an object that another one, which must be placed, still needs."""
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
        """Restart with another order of choices; keep the configurations known to be dead ends.

        A configuration that was reached and is not on the stack was searched completely, so it stays in
        the memo.
        """
        while self._stack:
            self._memo.discard((self._placed, self._state))
            self._retreat()
        self._memo.discard((self._placed, self._state))
        self._choices = None
        self._attempt_steps = int(self._attempt_steps * ATTEMPT_GROWTH)
        self._attempt_ends = self.steps + self._attempt_steps
        self._whim = self._random.choice(ORDER_JITTER)

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
        """The operations that the search has to place."""
        return tuple(entry.operation for entry in self._entries)

    def order(self) -> tuple[Operation, ...]:
        """The longest legal order found so far; for OK, a linearization of the whole partition."""
        return tuple(self._entries[i].operation for i in self._best)
