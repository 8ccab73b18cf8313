"""The data of a PostgreSQL client: forwarded as it arrives, or queued to be held in groups."""

from __future__ import annotations

from collections.abc import Sequence

from overbooked.wire.gate.session import Outlet, ProtocolError
from overbooked.wire.postgres import messages as m
from overbooked.wire.postgres.answer_stream import AnswerStream
from overbooked.wire.postgres.conversation import STARTUP, Conversation
from overbooked.wire.postgres.framing import Framed, Framer
from overbooked.wire.postgres.grouping import Message, Queue
from overbooked.wire.postgres.startup import BINDING_LINE

ENDS_COPY = frozenset({m.COPY_DONE, m.COPY_FAIL})
_ENDS_GROUP = frozenset({m.SYNC, m.FLUSH, m.QUERY, m.CALL, m.TERMINATE, m.COPY_DATA, m.PASSWORD})


class Intake:
    """The client's side of a session, up to the queue; `_pump` processes the queue."""

    _server: AnswerStream

    def __init__(self, outlet: Outlet) -> None:
        self._outlet = outlet
        self.state = Conversation()
        self._client = Framer("client", known=m.CLIENT_KNOWN, kept=m.CLIENT_KEPT, small=m.CLIENT_SMALL)
        self._queue = Queue()
        self._cut_short: list[bytes] = []  # the parts of an incomplete client message
        self._passing = outlet.keeper is None  # messages are forwarded as they arrive
        self._mid_group = False  # while passing, a group has been forwarded in part

    def _pump(self) -> None:
        """Send groups that execute nothing, and hold the next group that executes something."""
        raise NotImplementedError

    def _from_client(self, data: bytes) -> None:
        if self._passing and self._outlet.keeper is None:
            self._outlet.to_server(data)
            framed = self._client.feed(data)
            for kind, _, body in framed:
                if kind == m.PASSWORD:
                    self._password(body or b"")
                else:
                    self._mid_group = not self._ends_group(kind)
                    self.state.sent(kind, body)
            return
        framed = self._client.feed(data)
        at = 0
        if self._passing:
            at = self._pass_rest_of_group(data, framed)
        for kind, end, body in framed:
            if end <= at:
                continue
            raw = data[at:end]
            if self._cut_short:
                raw = b"".join([*self._cut_short, raw])
                self._cut_short.clear()
            at = end
            if kind == m.PASSWORD:
                self._password(body or b"")
                self._outlet.to_server(raw)
            else:
                self._queue.put(Message(kind, body, raw))
        if at < len(data) and not self._passing:
            self._cut_short.append(data[at:])
        self._pump()

    def _ends_group(self, kind: int) -> bool:
        if kind in ENDS_COPY:
            return not self.state.due or self.state.due[0].kind == m.QUERY
        return kind in _ENDS_GROUP

    def _pass_rest_of_group(self, data: bytes, framed: list[Framed]) -> int:
        """Forward the rest of a group in which a keeper was installed; return the index of its end."""
        for kind, end, body in framed:
            ends = self._ends_group(kind)
            if kind == m.PASSWORD:
                self._password(body or b"")
            else:
                self.state.sent(kind, body)
            if ends:
                self._outlet.to_server(data[:end])
                self._passing = self._mid_group = False
                return end
        self._outlet.to_server(data)
        return len(data)

    def _password(self, body: bytes) -> None:
        if self._queue or not self.state.due or self.state.due[0].kind != STARTUP:
            raise ProtocolError("the client sent a password behind its handshake")
        self._server.asks_password = False
        if body.startswith(b"SCRAM-SHA-256-PLUS\0"):
            raise ProtocolError(BINDING_LINE)

    def _send(self, group: Sequence[Message]) -> None:
        for message in group:
            self.state.sent(message.kind, message.body, ours=message.ours)
        self._outlet.to_server(b"".join([message.raw for message in group]))

    def _pass_queue(self) -> None:
        """Send everything queued, including incomplete groups and the start of an incomplete message."""
        rest = self._queue.take_all()
        if rest:
            self._send(rest)
            self._mid_group = not self._ends_group(rest[-1].kind)
        if self._cut_short:
            self._outlet.to_server(b"".join(self._cut_short))
            self._cut_short.clear()
