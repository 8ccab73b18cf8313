"""One request and its answer on their way through the gate."""

from __future__ import annotations

from collections.abc import Callable

from overbooked.wire.gate.boundary import Boundary, Reply, WireProtocol
from overbooked.wire.gate.session import Outlet
from overbooked.wire.http.framing import Head
from overbooked.wire.http.shape import shape_of

# What is larger is not kept whole: it is asked for, or its answer shown, when so much has come.
KEPT_BYTES = 8 * 1024 * 1024


class Exchange:
    """A request and its answer.

    `parts` are of the request and not sent yet, `answer` of the answer and not delivered yet; `whole`
    and `answer_whole` say that no more will come. `continued`: the gate asked for the body, so the
    server's own 100 is one too many. `endless`: only the end of the connection ends the answer, and the
    server did not say that it is near. `streams`: the answer goes on to the client as it comes.
    """

    __slots__ = (
        "answer",
        "answer_size",
        "answer_whole",
        "continued",
        "endless",
        "head",
        "hurry",
        "parts",
        "response",
        "sent",
        "shown",
        "size",
        "streams",
        "whole",
    )

    def __init__(self, head: Head) -> None:
        self.head = head
        self.parts = [head.raw]
        self.size = len(head.raw)
        self.whole = self.sent = self.continued = False
        self.response: Head | None = None  # the final one
        self.answer: list[bytes] = []
        self.answer_size = 0
        self.answer_whole = self.shown = self.streams = self.endless = False
        self.hurry: Callable[[], None] | None = None  # ends a trickle at once

    @property
    def ready(self) -> bool:
        """Whether it can be asked for."""
        return self.whole or self.size > KEPT_BYTES

    @property
    def expects_continue(self) -> bool:
        """Whether the client waits to be told to go on with the body."""
        return not self.continued and len(self.parts) == 1 and self.head.has(b"expect", b"100-continue")

    @property
    def closes(self) -> bool:
        """Whether the connection ends with this answer."""
        return self.response is not None and self.response.has(b"connection", b"close")

    @property
    def showable(self) -> bool:
        """Whether the keeper can be shown the answer: it is whole, or will not be for long."""
        if self.response is None:
            return False
        kind = self.response.framing.get(b"content-type", b"").lower()
        lasts = (kind.startswith(b"text/event-stream") or self.endless) and bool(self.answer)
        return self.answer_whole or lasts or self.answer_size > KEPT_BYTES

    def kept(self) -> int:
        """Bytes of the request that wait here."""
        return 0 if self.sent else self.size

    def add(self, piece: bytes) -> None:
        """More of the request."""
        self.parts.append(piece)
        self.size += len(piece)

    def add_answer(self, piece: bytes) -> None:
        """More of the answer."""
        self.answer.append(piece)
        self.answer_size += len(piece)

    def take(self) -> bytes:
        """What is to be sent."""
        data = b"".join(self.parts)
        self.parts.clear()
        self.sent = True
        return data

    def take_answer(self) -> bytes:
        """What is to be delivered."""
        data = b"".join(self.answer)
        self.answer.clear()
        return data

    def boundary(self, outlet: Outlet) -> Boundary:
        """What the keeper is told of the request; takes its number."""
        method, target = self.head.method, self.head.target
        return Boundary(
            link=outlet.link,
            protocol=WireProtocol.HTTP,
            connection=outlet.connection,
            ordinal=outlet.next_ordinal(),
            verb=method,
            text=f"{method} {target}",
            shape=shape_of(method, target),
            headers=self.head.headers(),
            size_bytes=self.size,
        )

    def reply(self) -> Reply:
        """What the keeper is told of the answer."""
        status = self.response.status if self.response is not None else 0
        return Reply(str(status), str(status) if status >= 400 else "", size_bytes=self.answer_size)
