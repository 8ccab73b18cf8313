"""Plays rounds with Locust's users, which run in a separate process."""

from __future__ import annotations

import asyncio
import base64
import json
import sys
from collections.abc import Awaitable, Mapping, Sequence
from typing import Any

from overbooked.errors import HarnessError
from overbooked.interleavings.scheduler.actors import Actor
from overbooked.system.system import System
from overbooked.targets.adapter import Action, Answer, HttpResponse
from overbooked.targets.client import ClientTimeouts, parse_answer, unknown_answer
from overbooked.targets.errors import TransportError
from tests.benchmarks.races.jobs import ROOT
from tests.benchmarks.races.ways import record

START_S = 60.0
_LONGEST_LINE = 1 << 24


class Users:
    """The process of Locust's users; `async with` starts and ends it.

    Args:
        number: the number of users.
        urls: the URLs of the service's replicas.
    """

    def __init__(self, number: int, urls: Sequence[str]) -> None:
        # The number of abandoned rounds; their answers arrive first.
        self._owed = 0
        self._command = (sys.executable, "-m", "tests.benchmarks.races.locust_users", str(number), *urls)

    async def __aenter__(self) -> Users:
        self._process = await asyncio.create_subprocess_exec(
            *self._command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            cwd=ROOT,
            limit=_LONGEST_LINE,
        )
        await self._hear(START_S)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()

    async def play(self, asked: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Send a round's requests; returns the result of each.

        Raises:
            HarnessError: the process has ended or does not answer.
        """
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(asked).encode() + b"\n")
            await self._process.stdin.drain()
        except OSError as error:
            raise HarnessError(f"Locust's process is gone: {error!r}") from error
        self._owed += 1
        while True:
            heard = await self._hear(2 * ClientTimeouts().answer_s)
            self._owed -= 1
            if not self._owed:
                return heard

    async def _hear(self, within_s: float) -> list[dict[str, Any]]:
        assert self._process.stdout is not None
        try:
            async with asyncio.timeout(within_s):
                line = await self._process.stdout.readline()
        except TimeoutError as error:
            raise HarnessError(f"Locust's process said nothing for {within_s:g} s") from error
        if not line:
            raise HarnessError(f"Locust's process ended with {await self._process.wait()}")
        heard: list[dict[str, Any]] = json.loads(line)
        return heard


class ByUsers:
    """Passes all requests to Locust's users at once.

    Other actions (an operator's command, a job) start here at the same moment.
    """

    def __init__(self, system: System, users: Users) -> None:
        self._system = system
        self._users = users

    async def __call__(self, cast: Sequence[Actor]) -> list[Answer | None]:
        places = {place: actor.does for place, actor in enumerate(cast) if isinstance(actor.does, Action)}
        asked = [_asked(action, cast[place], place) for place, action in places.items()]
        others: dict[int, Awaitable[Answer | None]] = {
            place: actor.does(place) for place, actor in enumerate(cast) if not isinstance(actor.does, Action)
        }
        heard, *told = await asyncio.gather(self._users.play(asked), *others.values())
        answers: dict[int, Answer | None] = dict(zip(others, told, strict=True))
        for (place, action), one in zip(places.items(), heard, strict=True):
            answers[place] = self._understood(action, one)
        return [answers[place] for place in range(len(cast))]

    def _understood(self, action: Action, heard: Mapping[str, Any]) -> Answer:
        if "failed" in heard:
            answer = unknown_answer(TransportError(heard["failed"], stage=heard["stage"]))
        else:
            body = base64.b64decode(heard["body"])
            answer = parse_answer(action, HttpResponse(heard["status"], heard["headers"], body))
        return record(self._system, action, answer, heard["invoked_at"], heard["completed_at"])

    async def close(self) -> None:
        """Do nothing: the users are kept for the next trial."""


def _asked(action: Action, actor: Actor, place: int) -> dict[str, Any]:
    request = action.request
    return {
        "method": request.method,
        "path": request.path,
        "headers": dict(request.headers),
        "body": base64.b64encode(request.body).decode(),
        "door": place if actor.replica is None else actor.replica,
    }
