"""Boundaries: messages at which the gate can hold or fail, and what can be done to each.

A boundary is the smallest group of messages that a server acts on: PostgreSQL's from the first
message after the last ReadyForQuery or Flush answer to Sync, Flush, Query or the like; one Redis
command; one HTTP request. It is held whole, sent whole, and its answer is held and sent whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol, runtime_checkable


class WireProtocol(StrEnum):
    """What a link speaks; RAW is passed through and has no boundaries."""

    POSTGRES = "postgres"
    REDIS = "redis"
    HTTP = "http"
    RAW = "raw"


class FaultKind(StrEnum):
    """What can be done to one boundary."""

    ERROR = "error"  # the server's own kind of refusal, in the session; it was not executed
    RESET_BEFORE = "reset before"  # RST to both sides; the server never saw it
    ANSWER_LOST = "answer lost"  # executed whole, then RST to the client before it reads a byte
    STALL = "stall"  # not sent on, nothing answered, until healed or the client gives up
    TRICKLE = "trickle"  # the answer comes in small pieces, slowly
    KILL_BEFORE = "kill before"  # a process gets SIGKILL while the message is held; then it is reset
    KILL_AFTER = "kill after"  # executed, the answer is held, a process gets SIGKILL


@dataclass(frozen=True, slots=True)
class Boundary:
    r"""One boundary as it crossed a link.

    `connection` numbers the link's connections from 1 in the order of their first boundary; `ordinal`
    numbers the link's boundaries from 1. `verb` is `SELECT`, `COMMIT`, `EVALSHA`, `POST` ...; `text`
    the statement, the command or `POST /path` as sent; `values` its parameters (PostgreSQL's binary
    ones as text where they are readable as such, else `\x` and hexadecimal digits). `shape` is `text`
    with literals, ids and numbers taken out: the same for the same line of the service's code, in any
    run.
    """

    link: str
    protocol: WireProtocol
    connection: int
    ordinal: int
    verb: str
    text: str
    shape: str
    values: tuple[str | None, ...] = ()
    statements: tuple[str, ...] = ()  # every statement of the group, for several in one
    headers: Mapping[str, str] = field(default_factory=dict)  # HTTP only; lower-case names
    in_transaction: bool = False  # PostgreSQL: before it; Redis: within MULTI
    backend_pid: int | None = None  # PostgreSQL: BackendKeyData's, for pg_blocking_pids
    size_bytes: int = 0
    commits_apart: bool = False  # PostgreSQL: outside BEGIN, and its commit is a boundary of its own
    unsplit: str = ""  # why its commit comes with it although the keeper orders commits


@dataclass(frozen=True, slots=True)
class Reply:
    """The whole answer to a boundary.

    `error` is the SQLSTATE, the Redis error's first word or the HTTP status from 400, else "";
    `in_transaction` the state after it (ReadyForQuery's letter is not `I`); `rows` what the command
    tag counts, None where it counts nothing.
    """

    summary: str  # `INSERT 0 1`, `OK`, `201` ...
    error: str = ""
    rows: int | None = None
    in_transaction: bool = False
    size_bytes: int = 0


class Held(Protocol):
    """A boundary that waits at the gate. All methods are called in the relay's thread.

    Order: `Gatekeeper.asks(held)`, then `go` or `fail`; after `go` comes `Gatekeeper.answers(held)`,
    then `deliver` or `lose`. Each at most once; out of turn they raise RuntimeError. After `fail` the
    gate delivers the answer by itself (`reply` has it then) and `answers` is not called.
    """

    @property
    def boundary(self) -> Boundary: ...

    @property
    def cancelled(self) -> bool:
        """The client cancelled it while it was held (a CancelRequest): it was never executed, its
        error (57014) comes by `answers` without a `go`, and `go` and `fail` do nothing meanwhile."""

    @property
    def reply(self) -> Reply | None:
        """Once it is whole."""

    def go(self) -> None:
        """Send it to the server; its answer is held again."""

    def fail(self, kind: FaultKind, *, code: str = "", message: str = "") -> None:
        """Do this to it instead: ERROR (with a SQLSTATE, a Redis error's first word or an HTTP
        status as `code`), RESET_BEFORE or STALL.

        Raises:
            NotSupported: this kind makes no sense at this boundary; says why.
        """

    def deliver(self, *, pieces: int = 1, pause_s: float = 0.0) -> None:
        """Send the answer to the client; more than one piece trickles."""

    def lose(self) -> None:
        """Reset both sides instead of answering (ANSWER_LOST)."""


class Gatekeeper(Protocol):
    """Decides about boundaries. Called in the relay's thread; must return quickly and not raise."""

    def asks(self, held: Held) -> None:
        """A whole boundary has come and waits; `go` may be called at once."""

    def answers(self, held: Held) -> None:
        """Its answer is whole and waits; `deliver` may be called at once."""

    def closed(self, link: str, connection: int, held: Held | None) -> None:
        """A connection has gone, with what was waiting on it. If the server had said why (25P03: idle
        in a transaction for too long, 57P01: shut down), `held.reply` has that error."""

    def broken(self, link: str, connection: int, why: str) -> None:
        """The gate cannot follow this connection (TLS, no such protocol): it was reset, and nothing
        may be concluded from this run. `connection` is 0 where it had no boundary yet."""


@runtime_checkable
class CommitKeeper(Gatekeeper, Protocol):
    """A keeper that also orders PostgreSQL's autocommits and the ends of its sessions.

    The commit of a statement outside BEGIN then asks as a boundary of its own, verb `COMMIT`, once the
    statement was answered and delivered; the client gets both answers together, after the commit. So
    does the end of a session, verb `TERMINATE`, a closed socket included; its answer is whole when the
    server has closed the connection, and so freed what the session held.
    """

    @property
    def holds_ends(self) -> bool:
        """Whether the end of a session is a boundary."""

    def holds_commit_of(self, boundary: Boundary) -> bool:
        """Whether the commit of this group, which has just come, is to be a boundary of its own."""

    def ends_no_transaction(self, boundary: Boundary) -> bool:
        """Whether the procedures that a group calls are known to commit nothing, so that they run within
        a transaction block; False where that is not known."""
