"""Runs frontrun on the service's functions: `python -m tests.benchmarks.races.frontrun_hunter`.

The service is loaded into this process, with its mutant, and talks to the stack's own PostgreSQL, Redis and
provider. frontrun runs random interleavings of its request handlers, from `await` to `await`: each actor of a
race is a task that calls the ASGI application. Races are created and judged as in the other methods, on the
loop of a separate thread. (frontrun's systematic strategy is not used: it cannot see a lock that a trigger
takes, and each interleaving in which a task waits for one costs it a time-out.)

The first line on stdin names the stack and the mutant, each further line is a trial; each is answered by a
line on stdout.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from itertools import cycle
from types import SimpleNamespace
from typing import Any, TypeVar

from overbooked.descriptor import load
from overbooked.errors import GapFound, HarnessError
from overbooked.interleavings.race_source import RaceSource
from overbooked.interleavings.scheduler.race import Race, RaceResult
from overbooked.journeys.identities import People
from overbooked.system.loading import bind
from overbooked.system.system import System
from overbooked.targets.adapter import Action, Answer, HttpRequest, HttpResponse
from overbooked.targets.client import parse_answer
from tests.benchmarks.races.collecting import Stated, exploring, races_of
from tests.benchmarks.races.jobs import DESCRIPTOR
from tests.benchmarks.races.playing import judge
from tests.benchmarks.races.trials import Hunt
from tests.benchmarks.races.ways import record

T = TypeVar("T")
# Interleavings per race before the next race.
ATTEMPTS = 5
# Seconds. An interleaving in which one task waits for a row that a held task has locked never ends; frontrun
# sees that lock only if it is in the SQL text, not if a trigger takes it.
RUN_S = 1.0


class Home:
    """The thread with the event loop of the harness's part."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True).start()

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine on that loop and block until it ends."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def done(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine on that loop and await its result on this one."""
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._loop))


@dataclass
class Play:
    """One execution: a fresh race and the answers to its actors."""

    source: RaceSource
    race: Race
    answers: dict[int, Answer | None] = field(default_factory=dict)


class Hunter:
    """Explores a race's handlers within this process."""

    def __init__(self, app: Any, home: Home, system: System) -> None:
        self._app = app
        self._home = home
        self._system = system
        self.executions = 0
        self.found: GapFound | None = None
        self._warm: set[str] = set()

    async def explore(self, stated: Stated, *, within_s: float, seed: int) -> str:
        """Try some random interleavings of one race; return why they were inconclusive, or ""."""
        import frontrun

        first = self._made(stated)
        workers = [self._worker(number) for number in range(len(first.race.actors))]
        if stated.name not in self._warm:
            self._warm.add(stated.name)
            await asyncio.gather(*(work(first) for work in workers))  # fills the pools; not judged
            first = self._made(stated)
        ready = [first]

        def setup() -> Play:
            self.executions += 1
            return ready.pop() if ready else self._made(stated)

        result = await frontrun.explore(
            setup=setup,
            workers=workers,
            invariant=lambda play: self._home.do(self._holds(play)),
            strategy="random",
            max_attempts=ATTEMPTS,
            seed=seed,
            timeout_per_run=RUN_S,
            deadlock_timeout=RUN_S,
            total_timeout=within_s,
        )
        if self.found is None and result.property_holds is not True:
            return str(result.explanation or "nothing was concluded").strip().splitlines()[0]
        return ""

    def _made(self, stated: Stated) -> Play:
        source = stated.source(self._system.recorder.now)
        return Play(source, self._home.do(source.take()))

    def _worker(self, number: int) -> Callable[[Play], Coroutine[Any, Any, None]]:
        async def work(play: Play) -> None:
            does = play.race.actors[number].does
            if isinstance(does, Action):
                play.answers[number] = await self._asked(does)
            else:
                play.answers[number] = await self._home.done(_awaited(does(0)))

        return work

    async def _asked(self, action: Action) -> Answer:
        invoked_at = time.monotonic()
        answer = parse_answer(action, await call(self._app, action.request))
        return record(self._system, action, answer, invoked_at, time.monotonic())

    async def _holds(self, play: Play) -> bool:
        answers = [play.answers.get(number) for number in range(len(play.race.actors))]
        try:
            history = self._system.history_since(play.race.begun)
            await judge(play.source, RaceResult(play.race, answers, history))
        except GapFound as found:
            self.found = found
            return False
        return True


async def _awaited(work: Awaitable[T]) -> T:
    return await work


async def call(app: Any, request: HttpRequest) -> HttpResponse:
    """Send one request to an ASGI application, without a server."""
    path, _, query = request.path.partition("?")
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": request.method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(name.lower().encode(), value.encode()) for name, value in request.header_list],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
    }
    said: list[Mapping[str, Any]] = []
    asked = False

    async def receive() -> dict[str, Any]:
        nonlocal asked
        if asked:
            return {"type": "http.disconnect"}
        asked = True
        return {"type": "http.request", "body": request.body, "more_body": False}

    async def send(message: Mapping[str, Any]) -> None:
        said.append(message)

    await app(scope, receive, send)
    headers = {name.decode().lower(): value.decode() for name, value in said[0]["headers"]}
    body = b"".join(message.get("body", b"") for message in said[1:])
    return HttpResponse(said[0]["status"], headers, body)


async def trial(
    app: Any, home: Home, attached: Mapping[str, Any], clauses: Sequence[str], asked: Mapping[str, Any]
) -> Hunt:
    """Run one trial: the races alternate until something is found or the time is up."""
    seed, allowed_s = int(asked["seed"]), float(asked["allowed_s"])
    stack: Any = SimpleNamespace(**attached, links={})
    system = home.do(bind(stack, load(DESCRIPTOR), seed=seed, identities=People(seed)))
    try:
        stated = home.do(races_of(system, clauses, exploring()))
        hunter = Hunter(app, home, system)
        begun = time.monotonic()
        undecided, why = 0, ""
        for turn, one in enumerate(cycle(stated)):
            left_s = allowed_s - (time.monotonic() - begun)
            if left_s <= 0:
                break
            try:
                said = await hunter.explore(one, within_s=left_s, seed=seed * 1000 + turn)
            except HarnessError as error:
                said = f"{type(error).__name__}: {error}"
            if hunter.found is not None:
                seconds = time.monotonic() - begun
                return Hunt(seconds, hunter.executions, one.name, hunter.found.what, undecided, why)
            if said:
                undecided, why = undecided + 1, said
        return Hunt(time.monotonic() - begun, hunter.executions, undecided=undecided, why=why)
    finally:
        home.do(system.close())


async def hunt() -> None:
    job = json.loads(sys.stdin.readline())
    os.environ.update(job["env"])
    if job["mutant"]:
        from reference_system.mutants.registry import mutant

        mutant(job["mutant"]).apply()
    from reference_system.booking.platform import logs
    from reference_system.booking.platform.app import create_app

    logs.configure("error")
    app, home = create_app(), Home()
    async with app.router.lifespan_context(app):
        while line := await asyncio.to_thread(sys.stdin.readline):
            found = await trial(app, home, job["attached"], job["clauses"], json.loads(line))
            sys.stdout.write(json.dumps(asdict(found)) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        asyncio.run(hunt())
