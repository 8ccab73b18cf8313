"""A connection without sockets, and a keeper controlled by a test."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from overbooked.wire.gate.boundary import Boundary, FaultKind, Gatekeeper, Held, Reply
from overbooked.wire.gate.session import Session


@dataclass
class Alarm:
    """A timer that a test sets off."""

    act: Callable[[], None]
    delay_s: float
    over: bool = False

    def cancel(self) -> None:
        self.over = True

    def ring(self) -> None:
        if not self.over:
            self.over = True
            self.act()


@dataclass
class Wires:
    """An outlet that keeps what is written."""

    link: str = "app->redis"
    keeper: Gatekeeper | None = None
    up: bytearray = field(default_factory=bytearray)
    down: bytearray = field(default_factory=bytearray)
    alarms: list[Alarm] = field(default_factory=list)
    happened: list[str] = field(default_factory=list)
    broken: str = ""
    connection: int = 1
    reconnects: int = 0
    _ordinal: int = 0

    def next_ordinal(self) -> int:
        self._ordinal += 1
        return self._ordinal

    def to_server(self, data: bytes | bytearray | memoryview) -> None:
        self.up += data

    def to_client(self, data: bytes | bytearray | memoryview) -> None:
        self.down += data

    def end_to_server(self) -> None:
        self.happened.append("end to server")

    def end_to_client(self) -> None:
        self.happened.append("end to client")

    def close(self) -> None:
        self.happened.append("close")

    def reset(self) -> None:
        self.happened.append("reset")

    def break_off(self, why: str) -> None:
        self.broken = why
        if self.keeper is not None:
            self.keeper.on_error(self.link, self.connection, why)
        self.reset()

    def hold_back(self, waits: bool) -> None:
        if waits:
            self.happened.append("hold back")

    def reconnect(self) -> None:
        self.reconnects += 1

    def later(self, delay_s: float, act: Callable[[], None]) -> Alarm:
        alarm = Alarm(act, delay_s)
        self.alarms.append(alarm)
        return alarm

    def peers(self) -> Iterable[Session]:
        return ()

    def ring(self) -> None:
        """Let the next timer come due."""
        self.alarms.pop(0).ring()

    def taken_up(self) -> bytes:
        """Return the bytes sent to the server since the last call."""
        taken = bytes(self.up)
        self.up.clear()
        return taken

    def taken_down(self) -> bytes:
        """Return the bytes sent to the client since the last call."""
        taken = bytes(self.down)
        self.down.clear()
        return taken


@dataclass
class Keeper:
    """Records its calls; with `lets_go` and `delivers` it decides at once."""

    lets_go: bool = False
    delivers: bool = False
    asked: list[Held] = field(default_factory=list)
    answered: list[Held] = field(default_factory=list)
    losses: list[tuple[str, int, Held | None]] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)

    def on_request(self, held: Held) -> None:
        self.asked.append(held)
        if self.lets_go:
            held.go()

    def on_reply(self, held: Held) -> None:
        self.answered.append(held)
        if self.delivers:
            held.deliver()

    def on_close(self, link: str, connection: int, held: Held | None) -> None:
        self.losses.append((link, connection, held))

    def on_error(self, link: str, connection: int, why: str) -> None:
        self.troubles.append(why)

    @property
    def held(self) -> Held:
        """The last that asked."""
        return self.asked[-1]

    @property
    def boundaries(self) -> list[Boundary]:
        return [held.boundary for held in self.asked]

    @property
    def texts(self) -> list[str]:
        return [held.boundary.text for held in self.asked]

    @property
    def replies(self) -> list[Reply]:
        return [held.reply for held in self.answered if held.reply is not None]


@dataclass
class Failing(Keeper):
    """Fails every boundary whose verb is `verb`, lets the others through."""

    verb: str = ""
    kind: FaultKind = FaultKind.ERROR
    code: str = ""
    message: str = ""

    def on_request(self, held: Held) -> None:
        self.asked.append(held)
        if held.boundary.verb == self.verb and self.kind is not FaultKind.ANSWER_LOST:
            held.fail(self.kind, code=self.code, message=self.message)
        else:
            held.go()

    def on_reply(self, held: Held) -> None:
        self.answered.append(held)
        if held.boundary.verb == self.verb and self.kind is FaultKind.ANSWER_LOST:
            held.lose()
        else:
            held.deliver()
