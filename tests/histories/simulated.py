"""A simulated booking system whose operations take effect at one moment between call and return."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Any

from harness.histories import History, Operation
from harness.targets.port import Outcome


@dataclass(frozen=True)
class Flaws:
    """What the simulated system gets wrong, each with a probability a chance."""

    oversells: float = 0.0
    refuses_needlessly: float = 0.0
    forgets_to_free: float = 0.0


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


def history(
    seed: int,
    *,
    capacities: dict[str, int],
    actors: int,
    operations: int,
    verbs: tuple[str, ...] = ("book", "book", "book", "cancel", "reschedule", "resize"),
    unknown: float = 0.0,
    flaws: Flaws = Flaws(),
    own: bool = True,
    mean_s: float = 1.0,
) -> History:
    """What `actors` clients see who each do one operation after another, chosen at random.

    Some answers are lost; of those half had no effect. A client goes on with its `own` bookings, or
    with any that is known to anybody.
    """
    random = Random(seed)
    system = Slots(capacities, random, flaws)
    slots = list(capacities)
    recorded: list[Operation] = []
    # (moment, tie, what happens): a little event loop.
    known: list[list[str]] = [[] for _ in range(actors)]
    free_at = [random.expovariate(1 / mean_s) for _ in range(actors)]
    queue: list[tuple[float, int, str, Any]] = [(at, n, "call", n) for n, at in enumerate(free_at)]
    started = 0
    while queue:
        queue.sort(key=lambda event: event[:2])
        now, _, what, data = queue.pop(0)
        if what == "call":
            if started == operations:
                continue
            started += 1
            verb = random.choice(verbs)
            mine = known[data if own else 0]
            if verb in {"cancel", "reschedule"} and not mine:
                verb = "book"
            args: dict[str, Any] = {}
            if verb in {"book", "resize"}:
                args["slot"] = random.choice(slots)
            if verb == "resize":
                args["capacity"] = max(0, capacities[args["slot"]] + random.choice((-1, 0, 1)))
            if verb in {"cancel", "reschedule"}:
                args["booking"] = random.choice(mine)
            if verb == "reschedule":
                args["to"] = random.choice(slots)
            effect = now + random.expovariate(2 / mean_s)
            queue.append((effect, len(queue) + started, "effect", (data, verb, args, now)))
        elif what == "effect":
            actor, verb, args, called = data
            lost = random.random() < unknown
            back = now + random.expovariate(2 / mean_s)
            if lost and random.random() < 0.5:
                outcome, result = Outcome.UNKNOWN, None
            else:
                outcome, result = system.do(verb, args)
            if lost:
                outcome, result = Outcome.UNKNOWN, None
            queue.append((back, len(queue) + started, "return", (actor, verb, args, called, outcome, result)))
        else:
            actor, verb, args, called, outcome, result = data
            recorded.append(Operation(f"actor-{actor}", verb, args, called, now, outcome, result))
            if verb == "book" and result is not None:
                known[actor if own else 0].append(result)
            queue.append((now + random.expovariate(10 / mean_s), len(queue) + started, "call", actor))
    return History.of(recorded)
