"""The first message of a connection, which has no type byte: encryption request, cancellation or startup."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from overbooked.wire.gate.session import ProtocolError
from overbooked.wire.postgres.messages import CANCEL_REQUEST, GSSENC_REQUEST, SSL_REQUEST

_TLS_HANDSHAKE = 0x16
_LONGEST_BYTES = 10_000  # PostgreSQL's MAX_STARTUP_PACKET_LENGTH
_ANY_MINOR = 3

TLS_LINE = (
    "the client opens a TLS connection to its database, which the gate cannot read: "
    "set sslmode=disable (libpq, psycopg) or ssl=False (asyncpg) in the service's database URL"
)

BINDING_LINE = (
    "the client binds its password to a TLS channel, which the gate cannot read: "
    "set channel_binding=disable in the service's database URL"
)
GAVE_UP_LINE = (
    "the client closed its connection when the server asked for its password: either it has none (set it in "
    "the database URL or PGPASSWORD), or it wants channel_binding=require, which needs TLS that the gate "
    "cannot read (set channel_binding=disable)"
)


@dataclass(frozen=True, slots=True)
class Encryption:
    """SSLRequest or GSSENCRequest; the answer is one byte, `N`."""


@dataclass(frozen=True, slots=True)
class Cancel:
    """CancelRequest, the only message of its connection; `raw` is the complete message."""

    pid: int
    key: bytes
    raw: bytes


@dataclass(frozen=True, slots=True)
class Startup:
    """StartupMessage; a `replication` connection uses messages that this package does not parse."""

    raw: bytes
    replication: bool


class StartupReader:
    """Collects the first message; after it is complete, `rest` is the data that follows."""

    __slots__ = ("_read",)

    def __init__(self) -> None:
        self._read = b""

    @property
    def rest(self) -> bytes:
        return self._read

    def feed(self, data: bytes) -> Encryption | Cancel | Startup | None:
        """Add data; return the message, or None while it is incomplete.

        Raises:
            ProtocolError: the data is a TLS handshake or not in PostgreSQL's protocol.
        """
        self._read += data
        read = self._read
        if not read:
            return None
        if read[0] == _TLS_HANDSHAKE:
            raise ProtocolError(TLS_LINE)
        if read[0] != 0:
            raise ProtocolError(
                f"the client does not speak PostgreSQL's protocol: it began with {read[:8]!r}"
            )
        if len(read) < 8:
            return None
        length, code = struct.unpack_from(">II", read)
        if not 8 <= length <= _LONGEST_BYTES:
            raise ProtocolError(f"the client's first message has an invalid length of {length} bytes")
        if len(read) < length:
            return None
        first = _first(code, read[:length])
        self._read = read[
            length:
        ]  # only after `_first`, which may refuse the message; the refused bytes may still be forwarded
        return first


def _first(code: int, message: bytes) -> Encryption | Cancel | Startup:
    if code in {SSL_REQUEST, GSSENC_REQUEST}:
        return Encryption()
    if code == CANCEL_REQUEST:
        if len(message) < 12:
            raise ProtocolError("the client's CancelRequest names no process")
        return Cancel(int.from_bytes(message[8:12], "big"), message[12:], message)
    if code >> 16 != _ANY_MINOR:
        raise ProtocolError(
            f"the client requests protocol {code >> 16}.{code & 0xFFFF}; the gate knows version 3"
        )
    return Startup(message, _replicates(message))


def _replicates(message: bytes) -> bool:
    words = message[8:].split(b"\0")
    settings = dict(zip(words[::2], words[1::2], strict=False))
    return settings.get(b"replication", b"off").lower() not in {b"off", b"false", b"no", b"0"}
