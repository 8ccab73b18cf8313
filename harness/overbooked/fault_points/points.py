"""Fault points: the boundaries of a journey at which faults can be injected. Pure.

One clean run of a journey is recorded; each boundary that it crosses is a point. In another run a point is
identified by its link, its shape and the number of the occurrence, so that the fault is injected at the right
boundary even if the run crosses more boundaries, e.g. because a pool reconnects.
"""

from __future__ import annotations

import hashlib
import random
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from overbooked.sampling import moments
from overbooked.wire.gate.boundary import Boundary, FaultKind, Reply, WireProtocol

T = TypeVar("T")

KILLS = frozenset({FaultKind.KILL_BEFORE, FaultKind.KILL_AFTER})
# The faults that last until the caller's own retries are over: after its time-outs, or at once.
SILENCES = frozenset({FaultKind.SILENT, FaultKind.LOST_THEN_SILENT})
OUTAGES = frozenset({FaultKind.CALL_LOST, FaultKind.DOWN, FaultKind.LOST_THEN_DOWN, FaultKind.REFUSING})
# What each does to the messages after the first, on the same link.
AFTERWARDS: Mapping[FaultKind, FaultKind] = {
    FaultKind.CALL_LOST: FaultKind.RESET_BEFORE,
    FaultKind.DOWN: FaultKind.RESET_BEFORE,
    FaultKind.LOST_THEN_DOWN: FaultKind.RESET_BEFORE,
    FaultKind.REFUSING: FaultKind.ERROR,
    FaultKind.SILENT: FaultKind.STALL,
    FaultKind.LOST_THEN_SILENT: FaultKind.STALL,
}
# The faults of a message that is executed, and those of one that is not.
_EXECUTED = frozenset(
    {
        *(FaultKind.KILL_AFTER, FaultKind.ANSWER_LOST, FaultKind.CALL_LOST),
        *(FaultKind.LOST_THEN_DOWN, FaultKind.LOST_THEN_SILENT),
    }
)
_REFUSED = frozenset({FaultKind.ERROR, FaultKind.DOWN, FaultKind.REFUSING, FaultKind.SILENT})
EVERY_KIND: Sequence[FaultKind] = tuple(FaultKind)
# The error of each protocol's server: an I/O error of PostgreSQL, Redis out of memory, an overloaded HTTP
# server. None of them suggests an immediate retry, as a deadlock would.
ERROR_CODES: Mapping[str, str] = {"postgres": "58030", "redis": "OOM", "http": "503"}

# Statements without a lasting effect when they are executed outside a transaction.
_BEGINS = frozenset({"BEGIN", "START"})
_PASSING = frozenset({"BEGIN", "ROLLBACK", "SELECT", "SHOW", "SET", "START", "SAVEPOINT", "RELEASE", "FETCH"})
_KEY = "idempotency-key"
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_REDIS_READS = frozenset({"GET", "MGET", "EXISTS", "TTL", "PTTL", "PING", "HGET", "HGETALL", "SMEMBERS"})


@dataclass(frozen=True, slots=True)
class Crossing:
    """A boundary that a recorded journey crossed, with the step of the journey and the reply."""

    boundary: Boundary
    step: str = ""
    reply: Reply | None = None


def fingerprint_of(link: str, shape: str) -> str:
    """Return the fingerprint of a boundary: the first twelve hexadecimal digits of a SHA-256."""
    return hashlib.sha256(f"{link}\n{shape}".encode()).hexdigest()[:12]


@dataclass(frozen=True, slots=True)
class FaultPoint:
    """One boundary of a journey, identified in a way that holds in other runs.

    Args:
        actor: the journey, e.g. `checkout`.
        ordinal: its position in the recorded journey, from 1.
        link, shape: together its fingerprint.
        nth: the occurrence of this fingerprint, from 1.
        verb, step: for display: `COMMIT`, and the step of the journey.
    """

    actor: str
    ordinal: int
    link: str
    shape: str
    nth: int
    verb: str = ""
    step: str = ""

    @property
    def fingerprint(self) -> str:
        """Twelve hexadecimal digits that identify link and shape."""
        return fingerprint_of(self.link, self.shape)

    @property
    def place(self) -> str:
        """Link and verb, for tables."""
        return f"{self.link} {self.verb}".strip()


@dataclass(frozen=True, slots=True)
class FaultPlan:
    """The faults of one run of a journey: one, or a second one during the recovery from the first.

    Args:
        journey: its name.
        point, kind: the first fault and where it is injected.
        code: of an ERROR: SQLSTATE, the first word of Redis' error, or HTTP status.
        second, second_kind: a boundary of the recovery, numbered from its start, and the fault there.
    """

    journey: str
    point: FaultPoint
    kind: FaultKind
    code: str = ""
    second: FaultPoint | None = None
    second_kind: FaultKind | None = None

    def __str__(self) -> str:
        first = f"{self.kind.value} at {self.point.ordinal} ({self.point.place})"
        if self.second is None or self.second_kind is None:
            return first
        then = f"{self.second_kind.value} at {self.second.ordinal} ({self.second.place}) of its recovery"
        return f"{first}, then {then}"


def points_of(actor: str, crossings: Iterable[Crossing]) -> list[FaultPoint]:
    """Return the points of a recorded journey, in order."""
    seen: Counter[tuple[str, str]] = Counter()
    points = []
    for ordinal, crossing in enumerate(crossings, 1):
        boundary = crossing.boundary
        seen[boundary.link, boundary.shape] += 1
        points.append(
            FaultPoint(
                actor=actor,
                ordinal=ordinal,
                link=boundary.link,
                shape=boundary.shape,
                nth=seen[boundary.link, boundary.shape],
                verb=boundary.verb,
                step=crossing.step,
            )
        )
    return points


def why_not(crossing: Crossing, kind: FaultKind, *, killable: bool) -> str:
    """Return why a kind of fault is impossible at a boundary; "" if it is possible.

    Args:
        killable: whether the service is a process that the harness may kill.
    """
    if kind in KILLS and not killable:
        return "the service is not a process that the harness started"
    if kind in (FaultKind.ERROR, FaultKind.REFUSING) and is_rollback(crossing.boundary):
        return "a server does not refuse a rollback"
    if kind is FaultKind.TRICKLE and crossing.reply is not None and crossing.reply.size_bytes < 2:
        return "the answer is too short to be split"
    return ""


def is_rollback(boundary: Boundary) -> bool:
    """Return whether a boundary is a rollback, which no server refuses."""
    return boundary.verb.upper() == "ROLLBACK"


def repeats(boundary: Boundary, first: Boundary) -> bool:
    """Return whether a boundary is the same call again: of one shape and with the same idempotency key."""
    same = (boundary.link, boundary.shape) == (first.link, first.shape)
    return same and boundary.headers.get(_KEY) == first.headers.get(_KEY)


def takes_effect(boundary: Boundary) -> bool:
    """Return whether the boundary has a lasting effect, as far as the wire protocol shows.

    Between two such boundaries every kill has the same result, because uncommitted work is lost.
    """
    verb = boundary.verb.upper()
    match boundary.protocol:
        case WireProtocol.POSTGRES:
            return verb == "COMMIT" or not (boundary.in_transaction or verb in _PASSING)
        case WireProtocol.HTTP:
            return verb not in _SAFE_METHODS
        case _:
            return verb not in _REDIS_READS


def preferred(
    plans: Sequence[FaultPlan], crossings: Sequence[Crossing], *, outside: bool = False
) -> list[FaultPlan]:
    """Return the faults that come right after a lasting effect.

    Kills at these points produce every durable state that a dead service can leave; lost answers, and errors
    at the next boundary, produce every one that a live service can leave. If the next boundary begins a
    transaction, the error at its first statement counts too: a service often repeats a failed BEGIN, and
    then the work that follows the effect has not failed. An outage may also begin with the effect itself:
    then the service has to decide without it.

    Args:
        outside: only those after an effect in another service, which no transaction undoes.
    """
    effects = {
        n
        for n, crossing in enumerate(crossings, 1)
        if takes_effect(crossing.boundary)
        and (not outside or crossing.boundary.protocol is WireProtocol.HTTP)
    }
    begins = {n for n, crossing in enumerate(crossings, 1) if crossing.boundary.verb.upper() in _BEGINS}
    following = {n + 1 for n in effects}
    following |= {n + 1 for n in following & begins}
    return [
        plan
        for plan in plans
        if (plan.kind in _EXECUTED and plan.point.ordinal in effects)
        or (plan.kind in _REFUSED and plan.point.ordinal in following)
        or (plan.kind in AFTERWARDS and plan.point.ordinal in effects)  # also where it is not executed
    ]


def error_code(boundary: Boundary) -> str:
    """Return the error code of this boundary's server."""
    return ERROR_CODES.get(boundary.protocol.value, "")


def spread(items: Sequence[T], k: int | None, rng: random.Random) -> list[T]:
    """Return `k` of the items, spread evenly; all if there are no more than `k`, or if `k` is None."""
    if k is None or k >= len(items):
        return list(items)
    if k < 1:
        return []
    return [items[n - 1] for n in moments(k, len(items), rng)]
