"""Boundaries: the messages that the gate can hold or fail, and the faults that it can inject.

A boundary is the smallest group of messages that a server acts on: in PostgreSQL, the messages from the
first one after the last ReadyForQuery or answered Flush up to a Sync, Flush, Query or similar message; in
Redis, one command; in HTTP, one request. The gate holds and sends it as a whole, and its answer likewise.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol, runtime_checkable


class WireProtocol(StrEnum):
    """The protocol of a link; RAW is passed through and has no boundaries."""

    POSTGRES = "postgres"
    REDIS = "redis"
    HTTP = "http"
    RAW = "raw"


class FaultKind(StrEnum):
    """The faults that can be injected at one boundary, or from one boundary on."""

    ERROR = "error"  # the client gets an error like the server's own; not executed
    RESET_BEFORE = "reset before"  # RST to both sides; the server does not receive it
    ANSWER_LOST = "answer lost"  # executed completely, then RST to the client before any byte of the answer
    STALL = "stall"  # neither sent nor answered until healed or the client disconnects
    TRICKLE = "trickle"  # the answer is delivered slowly in small pieces
    KILL_BEFORE = "kill before"  # a process gets SIGKILL while the message is held; then both sides are reset
    KILL_AFTER = "kill after"  # executed; a process gets SIGKILL while the answer is held
    # These last until the caller's own retries are over, so that none of them repairs the damage.
    CALL_LOST = "call lost"  # executed, its answer is lost; each repetition of the same call is reset
    DOWN = "down"  # this message and each later one on the link is reset and not executed
    LOST_THEN_DOWN = "lost then down"  # executed, its answer is lost; each later message is reset
    REFUSING = "refusing"  # this message and each later one on the link gets an error
    SILENT = "silent"  # this message and each later one on the link is neither sent nor answered
    LOST_THEN_SILENT = "lost then silent"  # executed, its answer is withheld; the link is silent from then on


@dataclass(frozen=True, slots=True)
class Boundary:
    r"""One boundary as it crossed a link.

    `connection` numbers the link's connections from 1 in the order of their first boundary; `ordinal`
    numbers the link's boundaries from 1. `verb` is `SELECT`, `COMMIT`, `EVALSHA`, `POST` ...; `text` is
    the statement, the command or `POST /path` as sent; `values` are its parameters (PostgreSQL's binary
    parameters as text if they are printable UTF-8, else `\x` and hexadecimal digits). `shape` is `text`
    without literals, ids and numbers: the same line of the service's code has the same shape in every run.
    """

    link: str
    protocol: WireProtocol
    connection: int
    ordinal: int
    verb: str
    text: str
    shape: str
    values: tuple[str | None, ...] = ()
    statements: tuple[str, ...] = ()  # every statement of the group
    headers: Mapping[str, str] = field(default_factory=dict)  # HTTP only; lower-case names
    in_transaction: bool = False  # PostgreSQL: the state before it; Redis: within MULTI
    backend_pid: int | None = None  # PostgreSQL: from BackendKeyData, for pg_blocking_pids
    size_bytes: int = 0
    commits_apart: bool = False  # PostgreSQL: outside BEGIN, and its commit is a separate boundary
    unsplit: str = ""  # why its commit is not a separate boundary although the keeper orders commits


@dataclass(frozen=True, slots=True)
class Reply:
    """The complete answer to a boundary.

    `error` is the SQLSTATE, the first word of the Redis error or an HTTP status of 400 or above, else "";
    `in_transaction` is the state after the answer (ReadyForQuery's letter is not `I`); `rows` is the count
    in the command tag, None if the tag has no count.
    """

    summary: str  # `INSERT 0 1`, `OK`, `201` ...
    error: str = ""
    rows: int | None = None
    in_transaction: bool = False
    size_bytes: int = 0


class Held(Protocol):
    """A boundary held at the gate. All methods are called in the relay's thread.

    The order of calls is `Gatekeeper.on_request(held)`, then `go` or `fail`; after `go`,
    `Gatekeeper.on_reply(held)`, then `deliver` or `lose`. Each is called at most once; a call out of order
    raises RuntimeError. After `fail` the gate delivers the answer itself, sets `reply` and does not call
    `on_reply`.
    """

    @property
    def boundary(self) -> Boundary: ...

    @property
    def cancelled(self) -> bool:
        """Whether the client cancelled it (CancelRequest) while it was held.

        A cancelled boundary is never executed: `on_reply` is called with the error 57014 although `go` was
        not called, and `go` and `fail` have no effect.
        """

    @property
    def reply(self) -> Reply | None:
        """The answer; None until it is complete."""

    def go(self) -> None:
        """Send it to the server; its answer will be held."""

    def fail(self, kind: FaultKind, *, code: str = "", message: str = "") -> None:
        """Inject a fault instead of sending it: ERROR, RESET_BEFORE or STALL.

        Args:
            code: for ERROR, a SQLSTATE, the first word of a Redis error or an HTTP status.
            message: for ERROR, its text.

        Raises:
            NotSupported: this kind is not possible at this boundary; the message says why.
        """

    def deliver(self, *, pieces: int = 1, pause_s: float = 0.0) -> None:
        """Send the answer to the client, in `pieces` with a pause of `pause_s` seconds between them."""

    def lose(self) -> None:
        """Reset both sides instead of answering (ANSWER_LOST)."""


class Gatekeeper(Protocol):
    """Decides about boundaries. Called in the relay's thread; must return quickly and must not raise."""

    def on_request(self, held: Held) -> None:
        """Called when a complete boundary is held; it may call `go` immediately."""

    def on_reply(self, held: Held) -> None:
        """Called when the complete answer is held; it may call `deliver` immediately."""

    def on_close(self, link: str, connection: int, held: Held | None) -> None:
        """Called when a connection was closed; `held` is the boundary that was held on it.

        If the server sent a reason (25P03: idle in transaction for too long, 57P01: shutdown), `held.reply`
        is that error.
        """

    def on_error(self, link: str, connection: int, why: str) -> None:
        """Called when the gate cannot parse a connection (TLS, another protocol) and has reset it.

        The run is then inconclusive. `connection` is 0 if the connection had no boundary yet.
        """


@runtime_checkable
class CommitKeeper(Gatekeeper, Protocol):
    """A keeper that also orders PostgreSQL's autocommits and the ends of its sessions.

    The commit of a statement outside BEGIN is then a separate boundary with the verb `COMMIT`. It is held
    after the keeper has delivered the statement's answer; the client gets both answers together, after the
    commit. The end of a session, including a closed socket, is a boundary with the verb `TERMINATE`; its
    answer is complete when the server has closed the connection and released the session's locks.
    """

    @property
    def holds_ends(self) -> bool:
        """Whether the end of a session is a boundary."""

    def holds_commit_of(self, boundary: Boundary) -> bool:
        """Whether the commit of this group becomes a separate boundary."""

    def ends_no_transaction(self, boundary: Boundary) -> bool:
        """Whether the procedures that a group calls are known not to commit; False if unknown.

        Such procedures can run in a transaction block.
        """
