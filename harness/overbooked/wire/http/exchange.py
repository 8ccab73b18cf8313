"""One request and its answer as they pass the gate."""

from __future__ import annotations

from collections.abc import Callable

from overbooked.wire.gate.boundary import Boundary, Reply, WireProtocol
from overbooked.wire.gate.session import Outlet
from overbooked.wire.http.framing import Head
from overbooked.wire.http.shape import shape_of

# A larger message is not buffered completely: the keeper is called when this many bytes have arrived.
KEPT_BYTES = 8 * 1024 * 1024


class HttpExchange:
    """A request and its answer.

    `parts` is the unsent part of the request and `answer` the undelivered part of the answer; `whole` and
    `answer_whole` are true when they are complete. `continued`: the gate requested the body with a 100, so
    the server's own 100 is dropped. `endless`: the answer ends with the connection, and the server did not
    announce that. `streams`: the answer is forwarded to the client as it arrives.
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
        self.response: Head | None = None  # the final response
        self.answer: list[bytes] = []
        self.answer_size = 0
        self.answer_whole = self.shown = self.streams = self.endless = False
        self.hurry: Callable[[], None] | None = None  # delivers the rest of a trickled answer immediately

    @property
    def ready(self) -> bool:
        """Whether it can be held: it is complete, or too large to buffer."""
        return self.whole or self.size > KEPT_BYTES

    @property
    def expects_continue(self) -> bool:
        """Whether the client waits for a 100 Continue before it sends the body."""
        return not self.continued and len(self.parts) == 1 and self.head.has(b"expect", b"100-continue")

    @property
    def closes(self) -> bool:
        """Whether the connection ends with this answer."""
        return self.response is not None and self.response.has(b"connection", b"close")

    @property
    def showable(self) -> bool:
        """Whether the answer can be held: it is complete, endless, an event stream, or too large."""
        if self.response is None:
            return False
        kind = self.response.framing.get(b"content-type", b"").lower()
        lasts = (kind.startswith(b"text/event-stream") or self.endless) and bool(self.answer)
        return self.answer_whole or lasts or self.answer_size > KEPT_BYTES

    def kept(self) -> int:
        """The size of the request in bytes while it is unsent, else 0."""
        return 0 if self.sent else self.size

    def add(self, piece: bytes) -> None:
        """Add a part of the request."""
        self.parts.append(piece)
        self.size += len(piece)

    def add_answer(self, piece: bytes) -> None:
        """Add a part of the answer."""
        self.answer.append(piece)
        self.answer_size += len(piece)

    def take(self) -> bytes:
        """Remove and return the unsent part of the request."""
        data = b"".join(self.parts)
        self.parts.clear()
        self.sent = True
        return data

    def take_answer(self) -> bytes:
        """Remove and return the undelivered part of the answer."""
        data = b"".join(self.answer)
        self.answer.clear()
        return data

    def boundary(self, outlet: Outlet) -> Boundary:
        """Create the boundary for the keeper, with the link's next ordinal."""
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
        """Create the reply for the keeper."""
        status = self.response.status if self.response is not None else 0
        return Reply(str(status), str(status) if status >= 400 else "", size_bytes=self.answer_size)
