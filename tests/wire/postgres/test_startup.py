"""The start of a connection: encryption refused, passwords passed on, cancellation keys recorded."""

from __future__ import annotations

import asyncio
import ssl
import struct

import asyncpg
import psycopg
import pytest

from overbooked.wire.link import RelayLink
from overbooked.wire.postgres.session import PostgresSession
from tests.wire.postgres.client import READY, STARTUP, WELCOME, m, query
from tests.wire.postgres.server import PostgresServer
from tests.wire.sansio import Keeper, Wires
from tests.wire.watching_keeper import DEADLINE_S, engage

SSL_REQUEST = struct.pack(">II", 8, 80877103)
GSSENC_REQUEST = struct.pack(">II", 8, 80877104)


def fresh(keeper: Keeper | None = None) -> tuple[PostgresSession, Wires]:
    wires = Wires(link="app->postgres", keeper=keeper)
    return PostgresSession(wires), wires


# -- without sockets ----------------------------------------------------------------------------


def test_encryption_is_answered_no_and_the_server_never_hears_of_it() -> None:
    session, wires = fresh()
    for request in (GSSENC_REQUEST, SSL_REQUEST):
        for byte in request:
            session.from_client(bytes([byte]))
        assert wires.taken_down() == b"N"
    session.from_client(STARTUP)
    assert wires.taken_up() == STARTUP


def test_a_client_that_insists_on_tls_is_told_to_whoever_keeps() -> None:
    keeper = Keeper()
    session, _ = fresh(keeper)
    session.from_client(SSL_REQUEST)
    session.client_ended()
    assert "sslmode=disable" in keeper.troubles[0]


@pytest.mark.parametrize(
    ("first", "why"),
    [
        (b"\x16\x03\x01\x02\x00\x01", "opens a TLS connection"),
        (b"GET / HTTP/1.1", "does not speak PostgreSQL's protocol"),
        (struct.pack(">II", 7, 3 << 16), "invalid length of 7 bytes"),
        (struct.pack(">II", 8, 2 << 16), "requests protocol 2.0"),
        (struct.pack(">II", 8, 80877102), "names no process"),
    ],
)
def test_what_is_no_beginning_is_refused_in_one_line(first: bytes, why: str) -> None:
    keeper = Keeper()
    session, wires = fresh(keeper)
    session.from_client(first)
    assert why in keeper.troubles[0]
    assert "\n" not in keeper.troubles[0]
    assert wires.happened == ["reset"]
    assert wires.taken_up() == b""


def test_without_a_keeper_tls_passes_and_the_next_keeper_is_told() -> None:
    session, wires = fresh()
    session.from_client(b"\x16\x03")
    session.from_client(b"\x01hello")
    session.from_server(b"\x16server")
    assert wires.taken_up() == b"\x16\x03\x01hello"
    assert wires.taken_down() == b"\x16server"
    wires.keeper = keeper = Keeper()
    session.gate_changed()
    assert "opens a TLS connection" in keeper.troubles[0]
    assert wires.happened == ["reset"]


@pytest.mark.parametrize(
    "first",
    [
        struct.pack(">II", 8, 4 << 16),
        struct.pack(">II", 18, 2 << 16) + b"user\0ana\0\0",
        struct.pack(">II", 8, 80877102),
        struct.pack(">II", 7, 3 << 16),
        struct.pack(">II", 20_000, 3 << 16) + b"user\0ana\0\0",
        b"GET / HTTP/1.1\r\n\r\n",
    ],
)
def test_without_a_keeper_a_beginning_that_is_none_reaches_the_server(first: bytes) -> None:
    session, wires = fresh()
    for byte in first:
        session.from_client(bytes([byte]))
    session.from_server(m("E", b"SFATAL\0\0"))
    assert wires.taken_up() == first
    assert wires.taken_down() == m("E", b"SFATAL\0\0")


@pytest.mark.parametrize("first", [struct.pack(">II", 8, 4 << 16), struct.pack(">II", 8, 80877102)])
async def test_observed_the_server_itself_refuses_what_it_does_not_know(
    gated: RelayLink, first: bytes
) -> None:
    reader, writer = await asyncio.open_connection(*gated.address)
    writer.write(first)
    async with asyncio.timeout(DEADLINE_S):
        said = await reader.read()
    assert said == b"" or said[:1] == b"E"  # a FATAL, or just the end
    writer.close()


def test_a_password_bound_to_a_channel_is_refused_in_one_line() -> None:
    keeper = Keeper()
    session, _ = fresh(keeper)
    session.from_client(STARTUP)
    session.from_server(m("R", b"\0\0\0\x0aSCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0"))
    session.from_client(m("p", b"SCRAM-SHA-256-PLUS\0\0\0\0\1p"))
    assert "channel_binding=disable" in keeper.troubles[0]


def test_a_client_that_leaves_when_asked_for_its_password_is_told() -> None:
    keeper = Keeper()
    session, _ = fresh(keeper)
    session.from_client(STARTUP)
    session.from_server(m("R", b"\0\0\0\x0aSCRAM-SHA-256\0\0"))
    session.client_ended()
    assert "either it has none" in keeper.troubles[0]
    assert "channel_binding=require, which needs TLS" in keeper.troubles[0]


@pytest.mark.parametrize("asks", [b"\0\0\0\3", b"\0\0\0\5salt", b"\0\0\0\x0aSCRAM-SHA-256\0\0"])
def test_a_client_without_a_password_is_told_whatever_kind_is_asked_for(asks: bytes) -> None:
    keeper = Keeper()
    session, _ = fresh(keeper)
    session.from_client(STARTUP)
    session.from_server(m("R", asks))
    session.client_ended()
    assert "asked for its password" in keeper.troubles[0]


@pytest.mark.parametrize("minor", [0, 2, 9999])
@pytest.mark.parametrize("key", [b"four", b"k" * 32, b"k" * 256])
def test_any_minor_version_and_any_key_will_do(minor: int, key: bytes) -> None:
    session, wires = fresh()
    startup = struct.pack(">II", 18, 3 << 16 | minor) + b"user\0ana\0\0"
    session.from_client(startup)
    said = m("v", struct.pack(">II", 2, 1) + b"_pq_.x\0") + m("R", b"\0\0\0\0")
    session.from_server(said + m("K", struct.pack(">I", 4711) + key) + READY)
    assert wires.taken_up() == startup
    assert (session.state.pid, session.state.key) == (4711, key)
    assert not wires.broken


def test_what_a_client_sends_ahead_of_its_welcome_waits_for_it() -> None:
    keeper = Keeper()
    session, wires = fresh(keeper)
    session.from_client(STARTUP + query("SELECT 1"))
    assert wires.taken_up() == STARTUP
    session.from_server(WELCOME)
    assert keeper.texts == ["SELECT 1"]


def test_a_replication_connection_is_passed_through_unseen() -> None:
    keeper = Keeper()
    session, wires = fresh(keeper)
    body = b"user\0ana\0replication\0database\0\0"
    session.from_client(struct.pack(">II", 8 + len(body), 3 << 16) + body)
    session.from_client(query("START_REPLICATION"))
    session.from_server(m("W", b"\0\0\0"))
    assert keeper.asked == []
    assert not wires.broken


# -- drivers ------------------------------------------------------------------------------------


@pytest.mark.parametrize("sslmode", ["disable", "allow", "prefer"])
async def test_scram_passes_through(gated: RelayLink, dsn: str, sslmode: str) -> None:
    keeper = engage(gated)
    connection = await asyncpg.connect(dsn, ssl=sslmode)
    assert await connection.fetchval("SELECT 1") == 1
    await connection.close()

    def run() -> object:
        with psycopg.connect(dsn, sslmode=sslmode) as other:
            return other.execute("SELECT 1").fetchone()

    assert await asyncio.to_thread(run) == (1,)
    assert keeper.troubles == []


async def test_md5_passes_through(gated: RelayLink, postgres: PostgresServer) -> None:
    dsn = postgres.dsn(gated.address, user="hashed", password="hashed")
    connection = await asyncpg.connect(dsn, ssl=False)
    assert await connection.fetchval("SELECT current_user") == "hashed"
    await connection.close()

    def run() -> object:
        with psycopg.connect(dsn) as other:
            return other.execute("SELECT current_user").fetchone()

    assert await asyncio.to_thread(run) == ("hashed",)


async def test_a_wrong_password_is_the_servers_to_refuse(gated: RelayLink, postgres: PostgresServer) -> None:
    keeper = engage(gated)
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(postgres.dsn(gated.address, password="wrong"), ssl=False)
    assert keeper.troubles == []


@pytest.mark.parametrize("version", ["3.0", "3.2"])
async def test_libpq_speaks_both_versions(gated: RelayLink, dsn: str, version: str) -> None:
    if psycopg.pq.version() < 180000:
        pytest.skip("this libpq has no max_protocol_version")

    def run() -> object:
        with psycopg.connect(dsn, max_protocol_version=version) as connection:
            return connection.execute("SELECT 1").fetchone()

    engage(gated)
    assert await asyncio.to_thread(run) == (1,)
    assert gated.troubles() == ()


async def test_a_service_that_insists_on_tls_is_named(gated: RelayLink, dsn: str) -> None:
    keeper = engage(gated)
    with pytest.raises(ConnectionError):
        await asyncpg.connect(dsn, ssl=ssl.create_default_context())
    await keeper.until(lambda: bool(keeper.troubles))
    assert "TLS connection" in keeper.troubles[0]
    assert gated.troubles() == (keeper.troubles[0],)


async def test_a_service_that_opens_tls_at_once_is_named(gated: RelayLink) -> None:
    keeper = engage(gated)
    context = ssl.create_default_context()
    with pytest.raises((OSError, ssl.SSLError)):
        await asyncio.open_connection(*gated.address, ssl=context, server_hostname="localhost")
    await keeper.until(lambda: bool(keeper.troubles))
    assert "TLS connection" in keeper.troubles[0]


async def test_a_service_that_requires_channel_binding_is_named(gated: RelayLink, dsn: str) -> None:
    keeper = engage(gated)

    def run() -> None:
        with pytest.raises(psycopg.OperationalError, match="channel binding"):
            psycopg.connect(dsn, channel_binding="require")

    await asyncio.to_thread(run)
    await keeper.until(lambda: bool(keeper.troubles))
    assert "channel_binding" in keeper.troubles[0]
