"""A keeper for live tests: it runs in the relay's thread; tests wait for its calls."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from overbooked.wire.gate.boundary import Boundary, FaultKind, Held, Reply
from overbooked.wire.link import RelayLink

DEADLINE_S = 60.0

Choice = Callable[[Held], None]


def _go(held: Held) -> None:
    held.go()


def _deliver(held: Held) -> None:
    held.deliver()


@dataclass
class Watching:
    """Calls `on_ask` and `on_answer` in the relay's thread; keeps what it saw for the test.

    Without them everything is let through.
    """

    on_ask: Choice = _go
    on_answer: Choice = _deliver
    asked: list[Held] = field(default_factory=list)
    replies: list[Reply] = field(default_factory=list)
    closings: list[Held | None] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    _loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.get_running_loop)

    def on_request(self, held: Held) -> None:
        self.asked.append(held)
        self.on_ask(held)
        self._tell()

    def on_reply(self, held: Held) -> None:
        assert held.reply is not None
        self.replies.append(held.reply)
        self.on_answer(held)
        self._tell()

    def on_close(self, link: str, connection: int, held: Held | None) -> None:
        self.closings.append(held)
        self._tell()

    def on_error(self, link: str, connection: int, why: str) -> None:
        self.troubles.append(why)
        self._tell()

    def _tell(self) -> None:
        self._loop.call_soon_threadsafe(self._changed.set)

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(DEADLINE_S):
            while not holds():
                self._changed.clear()
                if not holds():
                    await self._changed.wait()

    async def held(self, text: str) -> Held:
        """The next boundary, not met before, in whose text this is."""
        await self.until(lambda: any(text in held.boundary.text for held in self.asked))
        found = next(held for held in self.asked if text in held.boundary.text)
        self.asked.remove(found)
        return found

    @property
    def boundaries(self) -> list[Boundary]:
        return [held.boundary for held in self.asked]

    @property
    def verbs(self) -> list[str]:
        return [held.boundary.verb for held in self.asked]


def keep(_: Held) -> None:
    """Leave the boundary held."""


def late(delay_s: float) -> dict[str, Choice]:
    """Let every boundary go, and deliver every answer, so many seconds after it came."""

    def go(held: Held) -> None:
        asyncio.get_running_loop().call_later(delay_s, held.go)

    def deliver(held: Held) -> None:
        asyncio.get_running_loop().call_later(delay_s, held.deliver)

    return {"on_ask": go, "on_answer": deliver}


def failing(text: str, kind: FaultKind = FaultKind.ERROR, *, code: str = "", message: str = "") -> Choice:
    """Fail the first boundary in whose text this is, let the others go."""
    done = False

    def choose(held: Held) -> None:
        nonlocal done
        if not done and text in held.boundary.text:
            done = True
            held.fail(kind, code=code, message=message)
        else:
            held.go()

    return choose


def losing(text: str) -> Choice:
    """Lose the answer to the boundary in whose text this is, deliver the others."""

    def choose(held: Held) -> None:
        if text in held.boundary.text:
            held.lose()
        else:
            held.deliver()

    return choose


def engage(link: RelayLink, **how: Choice) -> Watching:
    """A keeper at this link's gate."""
    keeper = Watching(**how)  # type: ignore[arg-type]
    link.gate(keeper)
    return keeper
