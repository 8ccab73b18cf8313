"""A PostgreSQL connection at the gate: its startup; `gated_session` handles the session after it.

Requests for encryption are refused, as by a server without TLS; a CancelRequest is passed to its session.
"""

from __future__ import annotations

import logging

from overbooked.wire.gate.session import Outlet, ProtocolError
from overbooked.wire.postgres.conversation import Conversation
from overbooked.wire.postgres.gated_session import GatedSession
from overbooked.wire.postgres.startup import TLS_LINE, Cancel, Encryption, StartupReader

log = logging.getLogger(__name__)


class PostgresSession:
    """Parses one connection from its first byte; satisfies `overbooked.wire.gate.session.Session`.

    Replication connections and cancellations are passed through after their first message.
    """

    __slots__ = ("_gated", "_lost", "_outlet", "_refused_tls", "_server_over", "_startup")

    def __init__(self, outlet: Outlet) -> None:
        self._outlet = outlet
        self._startup: StartupReader | None = StartupReader()
        self._refused_tls = False
        self._server_over = False  # the server closed first, so the refused TLS is not the client's reason
        self._lost = ""  # why this connection is not parsed
        self._gated: GatedSession | None = None

    @property
    def state(self) -> Conversation:
        """The state of the session; available only after the startup message."""
        assert self._gated is not None
        return self._gated.state

    @property
    def begins(self) -> bool:
        """Whether the first message is still incomplete."""
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
            except ProtocolError as error:
                self._lose(self._startup, error)

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
        """Handle a CancelRequest; return whether it is for this session and needs no forwarding."""
        return self._gated is not None and self._gated.cancel(pid, key)

    def _lose(self, reader: StartupReader, error: ProtocolError) -> None:
        """Handle an invalid first message: break off with a keeper, else pass the connection through."""
        if self._outlet.keeper is not None:
            self._outlet.break_off(str(error))
            return
        self._startup, self._lost = None, str(error)
        log.warning("%s is passed through: %s", self._outlet.link, error)
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
