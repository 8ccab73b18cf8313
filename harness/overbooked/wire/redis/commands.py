"""What the gate has to know about Redis' commands: which greet, which change the connection, and how."""

from __future__ import annotations

# Words that make a verb of two: `SCRIPT LOAD`, `XGROUP CREATE`.
CONTAINERS = frozenset(
    b"ACL CLIENT CLUSTER COMMAND CONFIG DEBUG FUNCTION LATENCY MEMORY MODULE OBJECT PUBSUB SCRIPT SLOWLOG "
    b"XGROUP XINFO".split()
)
# Answered once for each channel named; RESP3 answers by pushes.
SUBSCRIBING = frozenset(b"SUBSCRIBE PSUBSCRIBE SSUBSCRIBE UNSUBSCRIBE PUNSUBSCRIBE SUNSUBSCRIBE".split())
# Pushed without being asked for; RESP2 has them as arrays on a subscribed connection.
MESSAGES = frozenset((b"message", b"pmessage", b"smessage"))
# After its answer the server says what it likes.
MONITOR = b"MONITOR"
# From here on it is no longer commands and answers.
REPLICATION = frozenset((b"SYNC", b"PSYNC"))
_ALWAYS_PASSED = frozenset(b"HELLO AUTH QUIT RESET READONLY READWRITE MONITOR SYNC PSYNC REPLCONF".split())
_PASSED_AT_FIRST = frozenset(b"PING SELECT INFO COMMAND ECHO".split())
_CLIENT_PASSED = frozenset(
    b"SETINFO SETNAME GETNAME ID INFO TRACKING TRACKINGINFO CACHING REPLY NO-EVICT NO-TOUCH CAPA "
    b"MAINT_NOTIFICATIONS".split()
)
# Within MULTI these act at once instead of being queued.
NOT_QUEUED = frozenset((b"EXEC", b"DISCARD", b"MULTI", b"WATCH", b"QUIT", b"RESET"))


def name_of(args: tuple[bytes, ...]) -> bytes:
    """The command's name in upper case."""
    return args[0].upper()


def verb_of(args: tuple[bytes, ...]) -> str:
    """The name, with the subcommand where the name alone says little."""
    name = name_of(args)
    if name in CONTAINERS and len(args) > 1:
        name += b" " + args[1].upper()
    return name.decode("ascii", "backslashreplace")


def greets(args: tuple[bytes, ...], *, fresh: bool) -> bool:
    """Whether it belongs to the handshake, which differs from connection to connection and is not held.

    Args:
        fresh: nothing but greetings came on this connection so far.
    """
    name = name_of(args)
    if name in _ALWAYS_PASSED:
        return True
    if name == b"CLIENT":
        return len(args) > 1 and args[1].upper() in _CLIENT_PASSED
    return fresh and name in _PASSED_AT_FIRST
