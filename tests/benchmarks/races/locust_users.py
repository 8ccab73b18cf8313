"""Runs Locust's users in a separate process: `python -m tests.benchmarks.races.locust_users USERS URL...`

gevent patches the standard library, so Locust is imported in this process only. A line on stdin is a round:
its requests. Each user takes one request at a time, without a pause. After the last answer, all answers are
printed as one line on stdout.
"""

# ruff: noqa: E402 - before anything else is imported
from __future__ import annotations

from gevent import monkey

monkey.patch_all()

import base64
import json
import sys
import time
from typing import Any, TypeAlias

from gevent.event import Event
from gevent.queue import Queue
from locust import User, constant, task
from locust.env import Environment

from overbooked.load.connections import Door
from overbooked.targets.adapter import HttpRequest
from overbooked.targets.client import ClientTimeouts
from overbooked.targets.errors import TransportError


class Round:
    """The requests of a round, and the answers so far."""

    def __init__(self, asked: list[dict[str, Any]]) -> None:
        self.asked = asked
        self.answers: list[dict[str, Any] | None] = [None] * len(asked)
        self.over = Event()

    def answer(self, place: int, answer: dict[str, Any]) -> None:
        self.answers[place] = answer
        if all(self.answers):
            self.over.set()


# gevent's queue has no type parameters; its items are (round, index of a request in it).
Coming: TypeAlias = Queue


class Visitor(User):
    """Takes requests one after another, without a pause."""

    wait_time = constant(0)
    coming: Coming
    doors: list[Door]

    @task
    def visit(self) -> None:
        playing, place = self.coming.get()
        asked = playing.asked[place]
        request = HttpRequest(
            asked["method"], asked["path"], asked["headers"], base64.b64decode(asked["body"])
        )
        answer: dict[str, Any] = {"invoked_at": time.monotonic()}
        try:
            response = self.doors[asked["door"] % len(self.doors)].send(request)
            answer |= {
                "status": response.status,
                "headers": dict(response.headers),
                "body": base64.b64encode(response.body).decode(),
            }
        except TransportError as error:
            answer |= {"failed": str(error), "stage": error.stage}
        playing.answer(place, answer | {"completed_at": time.monotonic()})


def main() -> None:
    users, urls = int(sys.argv[1]), sys.argv[2:]
    coming: Coming = Queue()
    doors = [Door(url, ClientTimeouts().answer_s) for url in urls]
    visitor = type("RoundVisitor", (Visitor,), {"coming": coming, "doors": doors})
    runner = Environment(user_classes=[visitor]).create_local_runner()
    runner.start(users, spawn_rate=users, wait=True)
    _tell([])
    # Reading blocks every user, but between rounds all are idle.
    while line := sys.stdin.readline():
        playing = Round(json.loads(line))
        for place in range(len(playing.asked)):
            coming.put((playing, place))
        playing.over.wait()
        _tell(playing.answers)
    runner.quit()


def _tell(answers: list[dict[str, Any] | None]) -> None:
    sys.stdout.write(json.dumps(answers) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
