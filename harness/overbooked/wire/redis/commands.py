"""Properties of Redis commands that the gate needs: handshake, subscriptions, replication, MULTI."""

from __future__ import annotations

# Commands whose verb includes the subcommand: `SCRIPT LOAD`, `XGROUP CREATE`.
CONTAINERS = frozenset(
    b"ACL CLIENT CLUSTER COMMAND CONFIG DEBUG FUNCTION LATENCY MEMORY MODULE OBJECT PUBSUB SCRIPT SLOWLOG "
    b"XGROUP XINFO".split()
)
# Answered once for each named channel; RESP3 answers with pushes.
SUBSCRIBING = frozenset(b"SUBSCRIBE PSUBSCRIBE SSUBSCRIBE UNSUBSCRIBE PUNSUBSCRIBE SUNSUBSCRIBE".split())
# Sent without a request: pushes in RESP3, arrays on a subscribed connection in RESP2.
MESSAGES = frozenset((b"message", b"pmessage", b"smessage"))
# After the answer to it, the server sends data without requests.
MONITOR = b"MONITOR"
# After these, the connection no longer consists of commands and answers.
REPLICATION = frozenset((b"SYNC", b"PSYNC"))
_ALWAYS_PASSED = frozenset(b"HELLO AUTH QUIT RESET READONLY READWRITE MONITOR SYNC PSYNC REPLCONF".split())
_PASSED_AT_FIRST = frozenset(b"PING SELECT INFO COMMAND ECHO".split())
_CLIENT_PASSED = frozenset(
    b"SETINFO SETNAME GETNAME ID INFO TRACKING TRACKINGINFO CACHING REPLY NO-EVICT NO-TOUCH CAPA "
    b"MAINT_NOTIFICATIONS".split()
)
# Within MULTI these are executed immediately instead of being queued.
NOT_QUEUED = frozenset((b"EXEC", b"DISCARD", b"MULTI", b"WATCH", b"QUIT", b"RESET"))


def name_of(args: tuple[bytes, ...]) -> bytes:
    """The command's name in upper case."""
    return args[0].upper()


def verb_of(args: tuple[bytes, ...]) -> str:
    """The command's name; for container commands, with the subcommand."""
    name = name_of(args)
    if name in CONTAINERS and len(args) > 1:
        name += b" " + args[1].upper()
    return name.decode("ascii", "backslashreplace")


def greets(args: tuple[bytes, ...], *, fresh: bool) -> bool:
    """Whether the command belongs to the handshake, which differs between connections and is not held.

    Args:
        fresh: whether the connection has had only handshake commands so far.
    """
    name = name_of(args)
    if name in _ALWAYS_PASSED:
        return True
    if name == b"CLIENT":
        return len(args) > 1 and args[1].upper() in _CLIENT_PASSED
    return fresh and name in _PASSED_AT_FIRST
