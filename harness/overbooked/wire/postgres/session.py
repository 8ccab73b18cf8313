"""A PostgreSQL connection at the gate: its beginning here, what follows in `gated`.

Requests for encryption are refused, as a server without TLS does; a cancellation goes to whom it means.
"""

from __future__ import annotations

import logging

from overbooked.wire.gate.session import Outlet
from overbooked.wire.postgres.conversation import Conversation
from overbooked.wire.postgres.gated_session import GatedSession
from overbooked.wire.postgres.messages import Violation
from overbooked.wire.postgres.startup import TLS_LINE, Cancel, Encryption, StartupReader

log = logging.getLogger(__name__)


class PostgresSession:
    """Follows one connection from its first byte; satisfies `overbooked.wire.gate.session.Session`.

    A replication connection and a cancellation's are passed through unseen behind their first message.
    """

    __slots__ = ("_gated", "_lost", "_outlet", "_refused_tls", "_server_over", "_startup")

    def __init__(self, outlet: Outlet) -> None:
        self._outlet = outlet
        self._startup: StartupReader | None = StartupReader()
        self._refused_tls = False
        self._server_over = False  # the server hung up: a client that goes then does not go for want of TLS
        self._lost = ""  # why this connection is not followed
        self._gated: GatedSession | None = None

    @property
    def state(self) -> Conversation:
        """What has been said; only once the startup message has come."""
        assert self._gated is not None
        return self._gated.state

    @property
    def begins(self) -> bool:
        """The first message has not come whole yet."""
        return self._startup is not None

    def from_client(self, data: bytes) -> None:
        """See `Session`."""
        if self._gated is not None:
            self._gated.from_client(data)
        elif self._startup is None:
            self._outlet.to_server(data)
        else:
            try:
                self._begin(self._startup, data)
            except Violation as violation:
                self._lose(self._startup, violation)

    def from_server(self, data: bytes) -> None:
        """See `Session`."""
        if self._gated is not None:
            self._gated.from_server(data)
        else:
            self._outlet.to_client(data)

    def client_ended(self) -> None:
        """See `Session`."""
        if self._gated is not None:
            self._gated.client_ended()
        elif self._startup is not None and self._refused_tls and not self._server_over:
            self._outlet.break_off(TLS_LINE)
        else:
            self._outlet.end_to_server()

    def server_ended(self) -> None:
        """See `Session`."""
        self._server_over = True
        if self._gated is not None:
            self._gated.server_ended()
        else:
            self._outlet.end_to_client()

    def gate_changed(self) -> None:
        """See `Session`."""
        if self._gated is not None:
            self._gated.gate_changed()
        elif self._lost and self._outlet.keeper is not None:
            self._outlet.break_off(self._lost)

    def over(self) -> None:
        """See `Session`."""
        if self._gated is not None:
            self._gated.over()

    def cancel(self, pid: int, key: bytes) -> bool:
        """A CancelRequest has come; True if it was for this session and is dealt with here."""
        return self._gated is not None and self._gated.cancel(pid, key)

    def _lose(self, reader: StartupReader, violation: Violation) -> None:
        """No beginning that we know: told to the keeper, or passed on unseen and told to the next one."""
        if self._outlet.keeper is not None:
            self._outlet.break_off(str(violation))
            return
        self._startup, self._lost = None, str(violation)
        log.warning("%s passes unseen: %s", self._outlet.link, violation)
        self._outlet.to_server(reader.rest)

    def _begin(self, reader: StartupReader, data: bytes) -> None:
        while (first := reader.feed(data)) is not None:
            data = b""
            if isinstance(first, Encryption):
                self._refused_tls = True
                self._outlet.to_client(b"N")
                continue
            self._startup = None
            if isinstance(first, Cancel):
                self._cancel(first)
                return
            if not first.replication:
                self._gated = GatedSession(self._outlet)
            self._outlet.to_server(first.raw)
            if reader.rest:
                self.from_client(reader.rest)
            return

    def _cancel(self, cancel: Cancel) -> None:
        for peer in self._outlet.peers():
            if isinstance(peer, PostgresSession) and peer.cancel(cancel.pid, cancel.key):
                self._outlet.close()
                return
        self._outlet.to_server(cancel.raw)
