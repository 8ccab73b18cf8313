"""Toy programs for tests of the search: shared variables, locks, polls, messages sent at once.

Every message is an `Op`; a transaction holds its locks until it ends.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from overbooked.interleavings.footprints.resources import NOTHING, Footprint, touching
from overbooked.interleavings.search.fairness import enabled_of, yielding_after
from overbooked.interleavings.search.schedule import Step, is_preemption, usual


@dataclass(frozen=True)
class Op:
    """One message.

    Kinds: local; read x; write x (what was read last, plus `value`); lock x (and hold it); update x (lock
    it, then write it, then hold it); single x (the same, but commits at once);
    claim x (lock it, then roll everything back if it is odd, else make it odd); commit (frees all locks);
    fail x (reads x, and if it is odd rolls everything back, frees all locks); poll x (until it is not 0);
    branch x (reads x, and if it is odd does `more` next). Not messages, so not seen at the wire: enter x
    and leave x, a lock inside the process.
    """

    kind: str
    on: str = ""
    value: int = 0
    more: tuple[tuple[Op, ...], ...] = ()


class WaitsForEver(Exception):
    """The program is faulty: an actor is never released."""


class Gone(Exception):
    """The schedule cannot be followed: its next actor cannot continue."""


# A program is a sequence of groups; the messages of a group are sent at once.
Program = Sequence[tuple[Op, ...]]


@dataclass
class Man:
    program: list[tuple[Op, ...]]
    pending: list[Op] = field(default_factory=list)
    flying: list[tuple[Op, int]] = field(default_factory=list)
    register: int = 0
    held: set[str] = field(default_factory=set)
    touched: Footprint = NOTHING
    seen: list[int] = field(default_factory=list)
    last_poll: tuple[str, int] | None = None


class World:
    def __init__(self, programs: Sequence[Program]) -> None:
        self.values: dict[str, int] = {}
        self.owner: dict[str, int] = {}
        self.inside: dict[str, int] = {}
        self.queue: list[tuple[int, Op, int]] = []
        self.men = [Man(list(program)) for program in programs]
        self.steps: list[Step] = []
        self.yielding: frozenset[int] = frozenset()
        self.preemptions = 0
        self._effects: dict[int, Footprint] = {}
        self._until: dict[int, int] = {}
        self._still()

    @property
    def running(self) -> int | None:
        return self.steps[-1].actor if self.steps else None

    @property
    def enabled(self) -> tuple[int, ...]:
        return enabled_of((n for n, man in enumerate(self.men) if man.pending), self.yielding)

    @property
    def final(self) -> tuple[object, ...]:
        return (
            tuple(sorted(self.values.items())),
            tuple((man.register, tuple(man.seen)) for man in self.men),
        )

    def go(self, actor: int) -> None:
        number, enabled, man = len(self.steps), self.enabled, self.men[actor]
        self.preemptions += is_preemption(actor, enabled, self.running)
        op = man.pending.pop(0)
        holds = man.touched
        footprint = footprint_of(op, man)
        yields = False
        self.steps.append(Step(actor, enabled, footprint, holds))
        if op.kind == "poll":
            answer = (op.on, self.values.get(op.on, 0))
            yields = man.last_poll == answer
            man.last_poll = answer
        self._execute(actor, op, number)
        self.steps[number] = Step(
            actor,
            enabled,
            footprint,
            holds,
            self._effects.get(number, NOTHING),
            self._until.get(number),
            yields,
        )
        self._still()
        self.yielding = yielding_after(self.yielding, actor, yields=yields)

    def finished(self) -> list[Step]:
        """Return the steps with the facts that became known later."""
        return [
            Step(
                s.actor,
                s.enabled,
                s.footprint,
                s.holds,
                self._effects.get(n, NOTHING),
                self._until.get(n),
                s.yields,
            )
            for n, s in enumerate(self.steps)
        ]

    def copy(self) -> World:
        other = copy.copy(self)
        other.values, other.owner, other.queue = dict(self.values), dict(self.owner), list(self.queue)
        other.inside = dict(self.inside)
        other.men = [
            replace(
                man,
                program=list(man.program),
                pending=list(man.pending),
                flying=list(man.flying),
                held=set(man.held),
                seen=list(man.seen),
            )
            for man in self.men
        ]
        other.steps, other._effects, other._until = list(self.steps), dict(self._effects), dict(self._until)
        return other

    def _still(self) -> None:
        moved = True
        while moved:
            moved = False
            for n, man in enumerate(self.men):
                while not man.pending and not man.flying and man.program and self._may_go_on(n, man):
                    moved = True

    def _may_go_on(self, n: int, man: Man) -> bool:
        op = man.program[0][0]
        if op.kind == "enter" and self.inside.setdefault(op.on, n) != n:
            return False
        group = man.program.pop(0)
        if op.kind == "leave":
            self.inside.pop(op.on, None)
        elif op.kind != "enter":
            man.pending = list(group)
        return True

    def _execute(self, actor: int, op: Op, number: int) -> None:
        man, alone = self.men[actor], False
        if op.kind in {"lock", "update", "single", "claim"}:
            owner = self.owner.get(op.on, actor)
            if owner != actor:
                if self._closes_a_circle(actor, owner):
                    man.seen.append(-1)
                    self._effects[number] = man.touched
                    self._free(actor)
                    return
                man.flying.append((op, number))
                self.queue.append((actor, op, number))
                return
            self.owner[op.on] = actor
            man.held.add(op.on)
            alone = op.kind == "single" and man.touched.is_empty
            man.touched |= footprint_of(op, man)
        if op.kind in {"read", "fail", "branch", "poll"}:
            man.register = self.values.get(op.on, 0)
            man.seen.append(man.register)
        if op.kind in {"write", "update", "single"}:
            self.values[op.on] = self.values.get(op.on, 0) * 2 + man.register + op.value
        if op.kind == "branch" and man.register % 2:
            man.program[:0] = op.more
        if op.kind == "poll" and man.register == 0:
            man.program[:0] = [(op,)]
        if op.kind == "claim" and self.values.get(op.on, 0) % 2:
            man.seen.append(-2)
            self._effects[number] = man.touched
            self._free(actor)
        elif op.kind == "claim":
            self.values[op.on] = self.values.get(op.on, 0) + 1
        if op.kind == "commit":
            self._free(actor)
        if op.kind == "fail" and man.register % 2:
            self._effects[number] = man.touched
            self._free(actor)
        if alone:
            self._free(actor)

    def _closes_a_circle(self, actor: int, owner: int) -> bool:
        ahead, seen = [owner], set()
        while ahead:
            one = ahead.pop()
            if one == actor:
                return True
            if one not in seen:
                seen.add(one)
                ahead += [self.owner[op.on] for n, op, _ in self.queue if n == one and op.on in self.owner]
        return False

    def _free(self, actor: int) -> None:
        man = self.men[actor]
        man.touched = NOTHING
        for lock in man.held:
            del self.owner[lock]
        man.held = set()
        again, self.queue = self.queue, []
        for n, op, number in again:
            if self.owner.get(op.on, n) != n:
                self.queue.append((n, op, number))
                continue
            self.men[n].flying.remove((op, number))
            self._until[number] = len(self.steps)
            self._execute(n, op, number)
            if (op, number) in self.men[n].flying:
                del self._until[number]


def footprint_of(op: Op, man: Man) -> Footprint:
    if op.kind in {"read", "fail", "branch", "poll"}:
        return touching(reads=[op.on])
    if op.kind == "write":
        return touching(writes=[op.on])
    if op.kind in {"lock", "update", "single", "claim"}:
        return touching(writes=[op.on, f"lock {op.on}"])
    return man.touched if op.kind == "commit" else NOTHING


def play(programs: Sequence[Program], prefix: Sequence[int]) -> World:
    """Run one schedule: the prefix, then the rest without preemptions."""
    world = World(programs)
    while enabled := world.enabled:
        number = len(world.steps)
        if number < len(prefix) and prefix[number] not in enabled:
            raise Gone(f"step {number} is actor {prefix[number]}'s, who cannot go")
        world.go(prefix[number] if number < len(prefix) else usual(enabled, world.running))
    return world


def brute_force(programs: Sequence[Program], bound: int | None, see: Callable[[World], None]) -> int:
    """Run every schedule within the bound, by copying worlds; returns their number."""
    count = 0
    ahead = [World(programs)]
    while ahead:
        world = ahead.pop()
        enabled = world.enabled
        if not enabled:
            if world.queue or any(man.program for man in world.men):
                raise WaitsForEver
            count += 1
            see(world)
        for actor in enabled:
            if bound is None or world.preemptions + is_preemption(actor, enabled, world.running) <= bound:
                other = world.copy()
                other.go(actor)
                ahead.append(other)
    return count
