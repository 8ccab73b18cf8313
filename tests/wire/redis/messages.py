"""A Redis session with its two ends in a test's hands."""

from __future__ import annotations

from overbooked.wire.redis.injection import encoded
from overbooked.wire.redis.session import RedisSession
from tests.wire.sansio import Keeper, Wires

OK = b"+OK\r\n"
QUEUED = b"+QUEUED\r\n"


def c(line: str) -> bytes:
    """A command as a driver sends it."""
    return encoded(tuple(line.encode().split()))


def bulk(*parts: str, mark: str = "*") -> bytes:
    """An array of strings, or a push."""
    return f"{mark}{len(parts)}\r\n".encode() + b"".join(
        f":{part}\r\n".encode() if part.isdigit() else f"${len(part)}\r\n{part}\r\n".encode()
        for part in parts
    )


class Line:
    """A session with its two ends in a test's hands."""

    def __init__(self, keeper: Keeper | None = None) -> None:
        self.wires = Wires(keeper=keeper)
        self.session = RedisSession(self.wires)

    def says(self, *lines: str) -> bytes:
        """The client sends these commands at once; what the server was sent."""
        self.session.from_client(b"".join(c(line) for line in lines))
        return self.wires.taken_up()

    def answers(self, *values: bytes) -> bytes:
        """The server sends these values at once; what the client was sent."""
        self.session.from_server(b"".join(values))
        return self.wires.taken_down()

    def engages(self, keeper: Keeper | None) -> None:
        self.wires.keeper = keeper
        self.session.gate_changed()


def through() -> Keeper:
    return Keeper(lets_go=True, delivers=True)
