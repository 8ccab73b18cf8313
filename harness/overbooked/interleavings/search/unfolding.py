"""The model of a system learnt from runs: its events, and the states that they lead to.

Two schedules that differ only in the order of independent steps are one *trace* in Mazurkiewicz's sense
and lead to the same state. So a state is identified by its events, and an event by its actor and its past:
the latest earlier events that it depends on. The past alone determines the effect of an event, so its outcome
is known after any run with it, regardless of concurrent events. The structure of all events is known as the
unfolding of the system (McMillan 1992; Rodriguez et al., Unfolding-based partial order reduction, CONCUR
2015); here it grows with each run.

A step that waits for another actor counts as two events: it is sent in its own event, and it takes effect in
the event of the step that unblocks it. So a step touches, in addition to its own footprint, the footprints of
all waiting steps that it may unblock, and it is an event of their actors too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any, NamedTuple

from overbooked.interleavings.search.dependence import ALL, Dependence
from overbooked.interleavings.search.run_states import ActorStatus, RunStates
from overbooked.interleavings.search.schedule import Step

# The actor, the actors of the event, and for each actor the number of the latest event that it depends on.
_Past = tuple[int, frozenset[int], tuple[int, ...]]


class Diverged(Exception):
    """A run contradicts earlier runs; the message names the step."""


class _Waiting(NamedTuple):
    """A waiting actor, with the footprint numbers of its waiting statement and of its transaction so far."""

    actor: int
    wants: int
    has: int


@dataclass(frozen=True, slots=True, eq=False)
class Event:
    """A step with its past.

    Args:
        number: its number, from 1.
        who: the actors of the event: the one that took the step and those that it may have unblocked.
        touched: the number of its footprint, including those of the unblocked steps.
        before: the previous event of each of these actors.
        after: the status of each of these actors after the event.
        yields: whether it repeated a failed poll.
    """

    number: int
    who: frozenset[int]
    touched: int
    before: dict[int, Event | None]
    after: dict[int, ActorStatus]
    yields: bool


@dataclass(slots=True, eq=False)
class State:
    """The state to which all schedules of the same events lead.

    Args:
        last: the latest event of each actor.
        standings: the status of each actor.
        pending: the actors with a pending boundary, regardless of fairness.
        ran: whether a run has ended here.
        after: the known successor states by actor, with the event.
    """

    last: tuple[Event | None, ...]
    standings: tuple[ActorStatus, ...]
    pending: tuple[int, ...]
    ran: bool = False
    after: dict[int, tuple[State, Event]] = field(default_factory=dict)


class Unfolding:
    """Learns from runs and predicts steps.

    Args:
        actors: number of actors.
        reduce: False: no two steps are independent, so that every schedule is a separate trace.
    """

    def __init__(self, actors: int, *, reduce: bool = True) -> None:
        self.root: State | None = None
        self.surprises: set[str] = set()
        self._actors = actors
        self._dependence = Dependence(reduce=reduce)
        self._next: dict[tuple[int, int], tuple[int, int]] = {}
        self._grown: dict[_Past, int] = {}
        self._events: dict[_Past, Event] = {}
        self._states: dict[tuple[int, ...], State] = {}
        self._numbers = count(1)
        self._journal: list[tuple[dict[Any, Any], Any]] = []

    # -- prediction ---------------------------------------------------------------------------

    def step(self, state: State, actor: int) -> tuple[State, Event] | None:
        """Return the successor state of a pending actor's step, with its event; None if no run has shown
        it."""
        known = state.after.get(actor)
        if known is None:
            event = self._foretold(state, actor)
            if event is None:
                return None
            known = state.after[actor] = (self._state_after(state, event), event)
        return known

    def _foretold(self, state: State, actor: int) -> Event | None:
        coming = self._next.get((_number(state.last[actor]), actor))
        if coming is None:
            return None
        touched, holds = coming
        while True:
            touched, past = self._past(state, actor, touched, holds)
            grown = self._grown.get(past)
            if grown is None or grown == touched:
                return None if grown is None else self._events.get(past)
            touched = grown

    def _past(self, state: State, actor: int, touched: int, holds: int) -> tuple[int, _Past]:
        """Return the footprint number of a step with the waiting steps that it may unblock, and its past.

        The past includes actors with which the step may close a cycle of waiting: that is a deadlock, in
        which the transaction that closed the cycle is aborted.
        """
        dependent, union, who = self._dependence.dependent, self._dependence.union, {actor}
        waiting = [
            _Waiting(n, one.waiting, one.held)
            for n, one in enumerate(state.standings)
            if one.waiting is not None and one.held is not None
        ]
        while waiting:
            reached = [one for one in waiting if dependent(one.wants, touched)]
            reached = reached or self._circle(waiting, touched, holds)
            if not reached:
                break
            for one in reached:
                who.add(one.actor)
                touched = union(touched, one.wants)
            waiting = [one for one in waiting if one not in reached]
        latest = []
        for n, event in enumerate(state.last):
            found = event
            if n not in who:
                while found and not dependent(found.touched, touched) and found.who.isdisjoint(who):
                    found = found.before[n]
            latest.append(_number(found))
        return touched, (actor, frozenset(who), tuple(latest))

    def _circle(self, waiting: Sequence[_Waiting], touched: int, holds: int) -> list[_Waiting]:
        """Return the waiting actors on a cycle between what a step wants and what its transaction holds."""
        dependent = self._dependence.dependent
        ahead = _spread(
            [one for one in waiting if dependent(one.has, touched)],
            lambda one: [other for other in waiting if dependent(one.wants, other.has)],
        )
        behind = _spread(
            [one for one in waiting if dependent(one.wants, holds)],
            lambda one: [other for other in waiting if dependent(other.wants, one.has)],
        )
        return [one for one in waiting if one in ahead and one in behind]

    def _state_after(self, state: State, event: Event) -> State:
        last = tuple(event if n in event.who else old for n, old in enumerate(state.last))
        name = tuple(_number(one) for one in last)
        found = self._states.get(name)
        if found is None:
            standings = tuple(event.after.get(n, old) for n, old in enumerate(state.standings))
            found = self._states[name] = _state(last, standings)
        return found

    # -- learning ------------------------------------------------------------------------------

    def learn(self, steps: Sequence[Step]) -> State:
        """Learn from a complete run, and return its final state.

        Raises:
            Diverged: the run contradicts an earlier one; nothing is learnt from it.
        """
        facts = RunStates(steps, self._actors, self._dependence)
        self._journal.clear()
        root = self.root or _state((None,) * self._actors, facts.standings(0))
        try:
            state = root
            for number, step in enumerate(steps):
                self._check(state, number, step, facts)
                state = self._take(state, number, step, facts)
            self._check(state, len(steps), None, facts)
        except Diverged:
            self._forget()
            raise
        self.root = root
        state.ran = True
        return state

    def _check(self, state: State, number: int, step: Step | None, facts: RunStates) -> None:
        found = facts.standings(number)
        for actor, (wanted, one) in enumerate(zip(state.standings, found, strict=True)):
            if wanted != one:
                raise Diverged(
                    f"before step {number} actor {actor} {self._said(one)}, and where the same had happened "
                    f"before it {self._said(wanted)}"
                )
        if step is not None and step.actor not in state.pending:
            raise Diverged(f"step {number} is actor {step.actor}'s, which was not enabled")

    def _said(self, one: ActorStatus) -> str:
        if one.pending:
            return "can run"
        return "has ended" if one.waiting is None else "waits"

    def _take(self, state: State, number: int, step: Step, facts: RunStates) -> State:
        actor = step.actor
        foretold = state.after.get(actor)
        coming = facts.touched(number), facts.holds(number)
        known = self._next.get((_number(state.last[actor]), actor))
        if known is None:
            self._note(self._next, (_number(state.last[actor]), actor), coming)
        elif known != coming:
            raise Diverged(
                f"step {number} of actor {actor} touches {self._dependence.said(coming[0])} and holds "
                f"{self._dependence.said(coming[1])}, and after the same past it touched "
                f"{self._dependence.said(known[0])} and held {self._dependence.said(known[1])}"
            )
        if foretold is not None:
            self._compare(foretold[1], number, step, facts)
            return foretold[0]
        touched, past = self._grow(state, number, step, facts)
        event = self._events.get(past)
        if event is None:
            after = {n: facts.standings(number + 1)[n] for n in past[1]}
            before = {n: state.last[n] for n in past[1]}
            event = Event(next(self._numbers), past[1], touched, before, after, step.yields)
            self._note(self._events, past, event)
        else:
            self._compare(event, number, step, facts)
        return self._state_after(state, event)

    def _compare(self, event: Event, number: int, step: Step, facts: RunStates) -> None:
        if event.yields != step.yields:
            raise Diverged(
                f"step {number} of actor {step.actor} repeats a failed poll in one run and not in another"
            )
        after = facts.standings(number + 1)
        for n, wanted in event.after.items():
            if after[n] != wanted:
                raise Diverged(
                    f"after step {number} of actor {step.actor}, actor {n} {self._said(after[n])}, and after "
                    f"the same step of an earlier run it {self._said(wanted)}"
                )

    def _grow(self, state: State, number: int, step: Step, facts: RunStates) -> tuple[int, _Past]:
        """Return the footprint number of all that a step touched, including the effects of its answer and of
        unblocked actors, and its past."""
        touched, holds = facts.touched(number), facts.holds(number)
        resumed, own = facts.resumed(number), facts.effects(number)
        while True:
            touched, past = self._past(state, step.actor, touched, holds)
            grown = touched if own is None else self._dependence.union(touched, own)
            for n in past[1] & resumed.keys():
                grown = self._dependence.union(grown, resumed[n])
            if grown == touched and resumed.keys() - past[1]:
                self.surprises.add(
                    f"a step that touches {self._dependence.said(touched)} unblocked another that waits for "
                    "something else"
                )
                grown = ALL
            known = self._grown.get(past)
            if known is None:
                self._note(self._grown, past, grown)
            elif known != grown:
                raise Diverged(
                    f"step {number} of actor {step.actor} touched {self._dependence.said(grown)} in total, "
                    f"and in an earlier run {self._dependence.said(known)}"
                )
            if grown == touched:
                return touched, past
            touched = grown

    def _note(self, where: dict[Any, Any], key: object, value: object) -> None:
        where[key] = value
        self._journal.append((where, key))

    def _forget(self) -> None:
        for where, key in reversed(self._journal):
            del where[key]
        self._journal.clear()


def _spread(start: Sequence[_Waiting], on: Callable[[_Waiting], Sequence[_Waiting]]) -> set[_Waiting]:
    found: set[_Waiting] = set()
    ahead = list(start)
    while ahead:
        one = ahead.pop()
        if one not in found:
            found.add(one)
            ahead.extend(on(one))
    return found


def _state(last: tuple[Event | None, ...], standings: tuple[ActorStatus, ...]) -> State:
    return State(last, standings, tuple(n for n, one in enumerate(standings) if one.pending))


def _number(event: Event | None) -> int:
    return 0 if event is None else event.number
