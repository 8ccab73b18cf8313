"""What kind of anomaly a schedule shows, from what its steps read and wrote.

The names are those of the literature: lost update and write skew as in Berenson et al., "A Critique of
ANSI SQL Isolation Levels" (SIGMOD 1995); a double claim is a check, then an insert, by two who both
passed the check; a dirty effect is one outside the database by somebody whose transaction came to nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from harness.explore.trace import TraceStep


class Anomaly(StrEnum):
    """Names for what went wrong; RACE where none of the others fits."""

    DOUBLE_CLAIM = "double claim"
    LOST_UPDATE = "lost update"
    WRITE_SKEW = "write skew"
    DIRTY_EFFECT = "dirty effect"
    RACE = "race"


class Touched(Protocol):
    """What one step read and wrote; `harness.explore.footprints.Footprint` is one."""

    @property
    def reads(self) -> Collection[str]: ...

    @property
    def writes(self) -> Collection[str]: ...


@dataclass(frozen=True, slots=True)
class _Access:
    at: int
    actor: int
    step: TraceStep
    reads: frozenset[str]
    writes: frozenset[str]


def name_anomaly(steps: Sequence[TraceStep], touched: Sequence[Touched]) -> Anomaly:
    """The name that fits a schedule which broke an invariant; only failed ones have one.

    Args:
        steps: of the trace, in order.
        touched: what each of them read and wrote.
    """
    accesses = [
        _Access(n, step.actor, step, frozenset(one.reads), frozenset(one.writes))
        for n, (step, one) in enumerate(zip(steps, touched, strict=True))
        if not step.error and step.verb not in {"BEGIN", "COMMIT", "ROLLBACK"}
    ]
    if _effect_of_what_was_undone(steps, accesses):
        return Anomaly.DIRTY_EFFECT
    stale = _stale_reads(accesses)
    if any(_claims_too(accesses, one, other) for one, _, other, _ in stale):
        return Anomaly.DOUBLE_CLAIM
    if any(
        mine.writes & resource and mine.actor == one and mine.at > theirs
        for one, resource, _, theirs in stale
        for mine in accesses
    ):
        return Anomaly.LOST_UPDATE
    pairs = {(one, other) for one, _, other, _ in stale}
    if any((other, one) in pairs for one, other in pairs):
        return Anomaly.WRITE_SKEW
    return Anomaly.RACE


def _stale_reads(accesses: Sequence[_Access]) -> list[tuple[int, frozenset[str], int, int]]:
    """(reader, what, writer, when): somebody wrote what another had read and went on to act upon."""
    found = []
    for n, read in enumerate(accesses):
        for write in accesses[n + 1 :]:
            shared = read.reads & write.writes
            if write.actor == read.actor or not shared:
                continue
            if any(later.actor == read.actor and later.writes for later in accesses if later.at > write.at):
                found.append((read.actor, shared, write.actor, write.at))
    return found


def _claims_too(accesses: Sequence[_Access], one: int, other: int) -> bool:
    def inserts(actor: int) -> set[str]:
        return {
            access.step.shape
            for access in accesses
            if access.actor == actor and access.step.verb == "INSERT" and (access.step.rows or 0) > 0
        }

    return bool(inserts(one) & inserts(other))


def _effect_of_what_was_undone(steps: Sequence[TraceStep], accesses: Sequence[_Access]) -> bool:
    for access in accesses:
        if access.step.protocol == "postgres" or not access.writes:
            continue
        later = [step for step in steps[access.at :] if step.actor == access.actor]
        if any(step.verb == "ROLLBACK" for step in later) and not any(
            step.verb == "COMMIT" for step in later
        ):
            return True
    return False
