"""A PostgreSQL session with its two ends in a test's hands."""

from __future__ import annotations

from overbooked.wire.postgres.session import PostgresSession
from tests.wire.postgres.client import (
    STARTUP,
    WELCOME,
)
from tests.wire.sansio import Keeper, Wires


def opened(keeper: Keeper | None = None) -> tuple[PostgresSession, Wires]:
    """A session past its handshake."""
    wires = Wires(link="app->postgres", keeper=keeper)
    session = PostgresSession(wires)
    session.from_client(STARTUP)
    session.from_server(WELCOME)
    assert wires.taken_up() == STARTUP
    assert wires.taken_down() == WELCOME
    return session, wires
