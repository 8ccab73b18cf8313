"""The load generator, a process of its own: `python -m overbooked.load.runner`.

gevent patches the standard library and would break an event loop, so Locust is imported in this process
only. The process reads a plan on stdin and prints `ready`. A line `go MOMENT` (of the machine's monotonic
clock) starts the load. The measurements are printed as one line.

Arrivals are scheduled ahead. A Locust user takes the next one, waits for its moment and runs the visit.
There are as many users as may be needed concurrently, so a stalled system does not delay later arrivals.
Latency counts from the intended start of a visit.
"""

# ruff: noqa: E402 - before anything else is imported
from __future__ import annotations

from gevent import monkey

monkey.patch_all()

import os
import sys
import time
from collections.abc import Iterator
from typing import Final

import gevent
from gevent.event import Event
from locust import User, constant, task
from locust.env import Environment
from locust.exception import StopUser

from overbooked.histories import Recorder
from overbooked.load.connections import Door
from overbooked.load.measurements import Measured
from overbooked.load.plan import Arrival, LoadPlan
from overbooked.load.user_actions import VISITS
from overbooked.machine.troubles import limit_of
from overbooked.targets.adapter import Action, Answer
from overbooked.targets.answer_summary import result, why
from overbooked.targets.client import unknown_answer
from overbooked.targets.errors import TargetError, TransportError

MOST_USERS: Final = 2_000
MOST_MISTAKES: Final = 20
LEFT_ALONE: Final = 3


class SlotPool:
    """The state shared by all virtual users of a process: the next arrivals and the measurements."""

    def __init__(self, plan: LoadPlan) -> None:
        self.plan = plan
        self.adapter = plan.descriptor.load_adapter()
        self.doors = [Door(url, plan.patience_s) for url in plan.doors]
        self.recorder = Recorder(time.monotonic)
        self.measured = Measured(intended=len(plan.arrivals))
        self.go = Event()
        self.done = Event()
        self.started_at = 0.0
        self._coming: Iterator[Arrival] = iter(plan.arrivals)
        self._under_way: dict[str, float] = {}
        if not plan.arrivals:
            self.done.set()

    def next(self) -> Arrival | None:
        return next(self._coming, None)

    def begin(self, arrival: Arrival) -> float:
        """Record the start of a visit; return its intended start."""
        due_at = self.started_at + arrival.at_s
        self.measured.sent += 1
        self.measured.lag.record(time.monotonic() - due_at)
        self._under_way[arrival.key] = due_at
        return due_at

    def end(self, arrival: Arrival) -> None:
        due_at = self._under_way.pop(arrival.key, None)
        if due_at is not None:
            self.measured.visits.record(time.monotonic() - due_at)
        if self.measured.sent == self.measured.intended and not self._under_way:
            self.done.set()

    def wrong(self, mistake: str) -> None:
        if len(self.measured.mistakes) < MOST_MISTAKES:
            self.measured.mistakes.append(mistake)

    def total(self) -> Measured:
        """Return the measurements; an unfinished visit counts with its duration so far."""
        now = time.monotonic()
        self.measured.unfinished = len(self._under_way)
        for due_at in self._under_way.values():
            self.measured.visits.record(now - due_at)
        self._under_way.clear()
        self.measured.operations = list(self.recorder.history())
        return self.measured


class VirtualUser(User):
    """Runs arrivals one after another."""

    wait_time = constant(0)
    ground: SlotPool

    @task
    def visit(self) -> None:
        self.ground.go.wait()
        arrival = self.ground.next()
        if arrival is None:
            raise StopUser
        delay_s = self.ground.started_at + arrival.at_s - time.monotonic()
        if delay_s > 0:
            gevent.sleep(delay_s)
        due_at = self.ground.begin(arrival)
        try:
            self._live_through(arrival, due_at)
        except Exception as error:
            self.ground.wrong(f"{arrival.visit}: {type(error).__name__}: {error}")
        finally:
            self.ground.end(arrival)

    def _live_through(self, arrival: Arrival, due_at: float) -> None:
        plan = self.ground.plan
        begin = VISITS[arrival.visit]
        actions = begin(self.ground.adapter, plan.people[arrival.who], plan.slots[arrival.slot], arrival.key)
        action = next(actions, None)
        while action is not None:
            answer = self._do(action, arrival, due_at)
            due_at = time.monotonic()
            try:
                action = actions.send(answer)
            except StopIteration:
                return

    def _do(self, action: Action, arrival: Arrival, due_at: float) -> Answer:
        call = self.ground.recorder.invoke(action.who, action.verb, action.args)
        length = 0
        try:
            exchanges = action.exchanges()
            request = next(exchanges)
            while True:
                response = self.ground.doors[arrival.door].send(request)
                length += len(response.body)
                request = exchanges.send(response)
        except StopIteration as end:
            answer: Answer = end.value
        except TransportError as error:
            if limit := limit_of(error):
                # A failure of the generator is not an answer of the service.
                call.unknown(limit)
                raise TargetError(f"the load could not be sent: {limit}") from error
            answer = unknown_answer(error)
        except TargetError as error:
            call.unknown(str(error))
            raise
        call.end(answer.outcome, result(answer), why(answer))
        seconds = time.monotonic() - due_at
        self.ground.measured.request(action.verb, seconds)
        self.environment.events.request.fire(
            request_type=action.request.method,
            name=action.verb,
            response_time=seconds * 1000,
            response_length=length,
            exception=TransportError(answer.problem, stage="receive") if answer.unknown else None,
            context={},
        )
        return answer


def run(plan: LoadPlan, start: Iterator[float]) -> Measured:
    """Run the plan's arrivals from the moment that `start` yields."""
    ground = SlotPool(plan)
    visitor = type("PlannedVisitor", (VirtualUser,), {"ground": ground})
    environment = Environment(user_classes=[visitor], catch_exceptions=True)
    runner = environment.create_local_runner()
    users = min(len(plan.arrivals), MOST_USERS)
    runner.start(users, spawn_rate=users, wait=True)
    ground.started_at = next(start)
    ground.go.set()
    last_s = plan.arrivals[-1].at_s if plan.arrivals else 0.0
    # A visit has several requests, each with its own timeout; a later end counts as unfinished.
    ground.done.wait(timeout=max(0.0, ground.started_at - time.monotonic()) + last_s + 2 * plan.patience_s)
    measured = ground.total()
    runner.quit()
    for door in ground.doors:
        door.close()
    return measured


def _start_times() -> Iterator[float]:
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    word, _, moment = sys.stdin.readline().partition(" ")
    if word != "go":
        sys.exit(LEFT_ALONE)
    yield float(moment)


def _end_with(parent: int) -> None:
    """Exit when the harness exits: a generator must not outlive it."""
    while os.getppid() == parent:
        gevent.sleep(0.5)
    os._exit(LEFT_ALONE)


def main() -> None:
    """Read a plan, run it and print the measurements."""
    gevent.spawn(_end_with, os.getppid())
    plan = LoadPlan.from_line(sys.stdin.readline())
    measured = run(plan, _start_times())
    sys.stdout.write(measured.as_line() + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
