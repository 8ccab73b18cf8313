"""Creates the session for a link's protocol."""

from __future__ import annotations

from overbooked.wire.gate.boundary import WireProtocol
from overbooked.wire.gate.session import Outlet, Session
from overbooked.wire.http.session import HttpSession
from overbooked.wire.postgres.session import PostgresSession
from overbooked.wire.redis.session import RedisSession


def session_for(protocol: WireProtocol, outlet: Outlet) -> Session | None:
    """Create the session of a new connection; None for a protocol that is passed through."""
    if protocol is WireProtocol.POSTGRES:
        return PostgresSession(outlet)
    if protocol is WireProtocol.REDIS:
        return RedisSession(outlet)
    if protocol is WireProtocol.HTTP:
        return HttpSession(outlet)
    return None
