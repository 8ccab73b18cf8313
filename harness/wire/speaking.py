"""Which session follows which protocol."""

from __future__ import annotations

from harness.wire.boundary import WireProtocol
from harness.wire.http.session import HttpSession
from harness.wire.postgres.session import PostgresSession
from harness.wire.redis.session import RedisSession
from harness.wire.session import Outlet, Session


def speak(protocol: WireProtocol, outlet: Outlet) -> Session | None:
    """A session for a new connection; None where bytes are passed through unseen."""
    if protocol is WireProtocol.POSTGRES:
        return PostgresSession(outlet)
    if protocol is WireProtocol.REDIS:
        return RedisSession(outlet)
    if protocol is WireProtocol.HTTP:
        return HttpSession(outlet)
    return None
