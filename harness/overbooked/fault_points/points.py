"""Fault points: every boundary of a journey, times every kind of fault that makes sense there. Pure.

One clean run of a journey is recorded; each boundary that it crossed is a point. A point is found again
in another run by what it is (link and shape) and how often that came before, so that a run which crosses
a few boundaries more, because a pool had to connect anew, is still struck where it was meant to be.
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
EVERY_KIND: Sequence[FaultKind] = tuple(FaultKind)
# What a link's server says of itself when it fails: an I/O error of PostgreSQL's, Redis out of memory, and
# an HTTP server that is overloaded. None of them invites an immediate retry, as a deadlock would.
ERROR_CODES: Mapping[str, str] = {"postgres": "58030", "redis": "OOM", "http": "503"}

# What leaves nothing behind when it is executed by itself.
_PASSING = frozenset({"BEGIN", "ROLLBACK", "SELECT", "SHOW", "SET", "START", "SAVEPOINT", "RELEASE", "FETCH"})
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_REDIS_READS = frozenset({"GET", "MGET", "EXISTS", "TTL", "PTTL", "PING", "HGET", "HGETALL", "SMEMBERS"})


@dataclass(frozen=True, slots=True)
class Crossing:
    """A boundary that a recorded journey crossed, at which of its steps, and what it was answered."""

    boundary: Boundary
    step: str = ""
    reply: Reply | None = None


@dataclass(frozen=True, slots=True)
class FaultPoint:
    """One boundary of a journey, to be found again in another run of it.

    Args:
        actor: whose journey, e.g. `checkout`.
        ordinal: which boundary of the recorded journey it was, from 1.
        link, shape: what it is; together its fingerprint.
        nth: how many boundaries of this fingerprint had come up to it, itself included.
        verb, step: for people: `COMMIT`, and at which request of the journey.
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
        """Twelve hexadecimal digits that stand for link and shape."""
        return hashlib.sha256(f"{self.link}\n{self.shape}".encode()).hexdigest()[:12]

    @property
    def place(self) -> str:
        """In a few words, for tables: link and verb."""
        return f"{self.link} {self.verb}".strip()


@dataclass(frozen=True, slots=True)
class FaultPlan:
    """What is done in one run of a journey: one fault, or one more while it recovers from the first.

    Args:
        journey: its name.
        point, kind: where, and what.
        code: of an ERROR: SQLSTATE, the first word of Redis' error, or HTTP status.
        second, second_kind: a boundary of the recovery, numbered from its beginning, and what is done there.
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
    """The points of a recorded journey, in its order."""
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
    """Why a kind makes no sense at a boundary, "" when it does.

    Args:
        killable: whether the service is a process that we may kill.
    """
    if kind in KILLS and not killable:
        return "the service is no process of ours that could be killed"
    if kind is FaultKind.ERROR and crossing.boundary.verb.upper() == "ROLLBACK":
        return "a server does not refuse to roll back"
    if kind is FaultKind.TRICKLE and crossing.reply is not None and crossing.reply.size_bytes < 2:
        return "the answer is too short to come in pieces"
    return ""


def takes_effect(boundary: Boundary) -> bool:
    """Whether something outlasts the service once this was executed, as far as the wire shows.

    Between two such boundaries every kill leaves the same behind: what was not committed is gone.
    """
    verb = boundary.verb.upper()
    match boundary.protocol:
        case WireProtocol.POSTGRES:
            return verb == "COMMIT" or not (boundary.in_transaction or verb in _PASSING)
        case WireProtocol.HTTP:
            return verb not in _SAFE_METHODS
        case _:
            return verb not in _REDIS_READS


def preferred(plans: Sequence[FaultPlan], crossings: Sequence[Crossing]) -> list[FaultPlan]:
    """Of some faults, those that strike right after something took effect.

    Kills there find the service dead in each state in which it can be; an answer lost, or an error at
    the very next boundary, leaves it alive in each.
    """
    effects = {n for n, crossing in enumerate(crossings, 1) if takes_effect(crossing.boundary)}
    return [
        plan
        for plan in plans
        if (plan.kind in (FaultKind.KILL_AFTER, FaultKind.ANSWER_LOST) and plan.point.ordinal in effects)
        or (plan.kind is FaultKind.ERROR and plan.point.ordinal - 1 in effects)
    ]


def error_code(boundary: Boundary) -> str:
    """The code with which this boundary's server fails."""
    return ERROR_CODES.get(boundary.protocol.value, "")


def spread(items: Sequence[T], k: int | None, rng: random.Random) -> list[T]:
    """`k` of the items, spread evenly over them; all of them when there are no more, or `k` is None."""
    if k is None or k >= len(items):
        return list(items)
    if k < 1:
        return []
    return [items[n - 1] for n in moments(k, len(items), rng)]
