"""A simulated booking system whose operations take effect atomically between call and return."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from heapq import heappop, heappush
from random import Random
from typing import Any

from overbooked.histories import History, Operation
from overbooked.targets.adapter import Outcome


@dataclass(frozen=True)
class Flaws:
    """The defects of the simulated system, with the probability of each per opportunity."""

    oversells: float = 0.0
    refuses_needlessly: float = 0.0
    forgets_to_free: float = 0.0


NO_FLAWS = Flaws()
VERBS = ("book", "book", "book", "cancel", "reschedule", "resize")


class Slots:
    """The system itself, one operation at a time, in plain dictionaries."""

    def __init__(self, capacities: dict[str, int], random: Random, flaws: Flaws) -> None:
        self.capacity = dict(capacities)
        self.bookings: dict[str, str | None] = {}
        self._random = random
        self._flaws = flaws
        self._phantoms = dict.fromkeys(capacities, 0)

    def taken(self, slot: str) -> int:
        return sum(at == slot for at in self.bookings.values()) + self._phantoms[slot]

    def _room(self, slot: str) -> bool:
        if self.taken(slot) < self.capacity[slot]:
            return self._random.random() >= self._flaws.refuses_needlessly
        return self._random.random() < self._flaws.oversells

    def do(self, verb: str, args: dict[str, Any]) -> tuple[Outcome, Any]:
        if verb == "book":
            if not self._room(args["slot"]):
                return Outcome.REFUSED, None
            booking = f"b{len(self.bookings)}"
            self.bookings[booking] = args["slot"]
            return Outcome.OK, booking
        if verb == "resize":
            if self.taken(args["slot"]) > args["capacity"]:
                return Outcome.REFUSED, None
            self.capacity[args["slot"]] = args["capacity"]
            return Outcome.OK, None
        slot = self.bookings[args["booking"]]
        if slot is None:
            return Outcome.REFUSED, None
        if verb == "cancel":
            self.bookings[args["booking"]] = None
            if self._random.random() < self._flaws.forgets_to_free:
                self._phantoms[slot] += 1
            return Outcome.OK, None
        if slot != args["to"] and not self._room(args["to"]):
            return Outcome.REFUSED, None
        self.bookings[args["booking"]] = args["to"]
        return Outcome.OK, None


@dataclass(frozen=True)
class Crowd:
    """The clients and their operations; a client uses its `own` bookings, or any known booking.

    `unknown` is the share of lost answers; half of these operations had no effect.
    """

    actors: int
    operations: int
    verbs: tuple[str, ...] = VERBS
    unknown: float = 0.0
    own: bool = True


def history(seed: int, *, capacities: dict[str, int], flaws: Flaws = NO_FLAWS, **crowd: Any) -> History:
    """Simulate the clients of a `Crowd`, each with successive random operations; returns their history."""
    return _Run(Random(seed), capacities, flaws, Crowd(**crowd)).history()


class _Run:
    """A small event loop: calls, effects and returns in order of time."""

    def __init__(self, random: Random, capacities: dict[str, int], flaws: Flaws, crowd: Crowd) -> None:
        self._random = random
        self._capacities = capacities
        self._crowd = crowd
        self._system = Slots(capacities, random, flaws)
        self._known: list[list[str]] = [[] for _ in range(crowd.actors)]
        self._queue: list[tuple[float, int, Callable[[float], None]]] = []
        self._pushed = self._started = 0
        self._recorded: list[Operation] = []

    def history(self) -> History:
        for actor in range(self._crowd.actors):
            self._after(0.0, 1.0, partial(self._call, actor))
        while self._queue:
            now, _, event = heappop(self._queue)
            event(now)
        return History.of(self._recorded)

    def _after(self, now: float, mean_s: float, event: Callable[[float], None]) -> None:
        self._pushed += 1
        heappush(self._queue, (now + self._random.expovariate(1 / mean_s), self._pushed, event))

    def _call(self, actor: int, now: float) -> None:
        if self._started < self._crowd.operations:
            self._started += 1
            verb, args = self._chosen(self._mine(actor))
            self._after(now, 0.5, partial(self._take_effect, actor, verb, args, now))

    def _mine(self, actor: int) -> list[str]:
        return self._known[actor if self._crowd.own else 0]

    def _chosen(self, mine: list[str]) -> tuple[str, dict[str, Any]]:
        pick = self._random.choice
        verb, slot = pick(self._crowd.verbs), pick(list(self._capacities))
        if verb == "resize":
            return verb, {"slot": slot, "capacity": max(0, self._capacities[slot] + pick((-1, 0, 1)))}
        if verb == "book" or not mine:
            return "book", {"slot": slot}
        return verb, {"booking": pick(mine)} | ({"to": slot} if verb == "reschedule" else {})

    def _take_effect(self, actor: int, verb: str, args: dict[str, Any], called: float, now: float) -> None:
        lost = self._random.random() < self._crowd.unknown
        outcome, result = Outcome.UNKNOWN, None
        if not lost or self._random.random() < 0.5:
            outcome, result = self._system.do(verb, args)
        if lost:
            outcome, result = Outcome.UNKNOWN, None
        operation = partial(Operation, f"actor-{actor}", verb, args, called, outcome=outcome, result=result)
        self._after(now, 0.5, partial(self._return, actor, operation))

    def _return(self, actor: int, operation: Callable[..., Operation], now: float) -> None:
        done = operation(completed_at=now)
        self._recorded.append(done)
        if done.verb == "book" and done.result is not None:
            self._mine(actor).append(done.result)
        self._after(now, 0.1, partial(self._call, actor))


def burst(
    seed: int,
    requests: int,
    *,
    capacities: dict[str, int],
    old: dict[str, str],
    verbs: tuple[str, ...] = VERBS,
    unknown: float = 0.0,
    flaws: Flaws = NO_FLAWS,
) -> History:
    """Simulate concurrent requests, most of them on the same few bookings."""
    random = Random(seed)
    system = Slots(capacities, random, flaws)
    system.bookings = dict(old)
    released = []
    for number in range(requests):
        verb, slot, booking = random.choice(verbs), random.choice(list(capacities)), random.choice(list(old))
        args = {
            "book": {"slot": slot},
            "cancel": {"booking": booking},
            "reschedule": {"booking": booking, "to": slot},
            "resize": {"slot": slot, "capacity": max(0, capacities[slot] + random.choice((-1, 0, 1)))},
        }[verb]
        called = random.random() * 0.2
        takes_effect = called + random.expovariate(2)
        released.append((takes_effect, number, verb, args, called, takes_effect + random.expovariate(2)))
    recorded = []
    for _, number, verb, args, called, returned in sorted(released, key=lambda request: request[:2]):
        lost = random.random() < unknown
        outcome, result = Outcome.UNKNOWN, None
        if not lost or random.random() < 0.5:
            outcome, result = system.do(verb, args)
        if lost:
            outcome, result = Outcome.UNKNOWN, None
        recorded.append(Operation(f"actor-{number}", verb, args, called, returned, outcome, result))
    return History.of(recorded)
