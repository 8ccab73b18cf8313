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


_CONTROL = {"BEGIN", "COMMIT", "ROLLBACK"}
_LOOKS = {"SELECT", "WITH", "VALUES", "TABLE", "GET"}


@dataclass(frozen=True, slots=True)
class _Access:
    """What a step read when it was let go, and what it wrote, which others see from `seen_at` on."""

    at: int
    seen_at: int
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
        _Access(
            n,
            _seen_at(steps, n),
            step.actor,
            step,
            frozenset(one.reads),
            # A lock counts as a write for the order of steps, and changes nothing.
            frozenset() if step.verb in _LOOKS else frozenset(one.writes),
        )
        for n, (step, one) in enumerate(zip(steps, touched, strict=True))
        if not step.error and step.verb not in _CONTROL
    ]
    if _effect_of_what_was_undone(steps, accesses):
        return Anomaly.DIRTY_EFFECT
    stale = _stale_reads(accesses)
    if any(_claims_too(accesses, old.reader, old.writer) for old in stale):
        return Anomaly.DOUBLE_CLAIM
    if any(old.written_too for old in stale):
        return Anomaly.LOST_UPDATE
    pairs = {(old.reader, old.writer) for old in stale}
    if any((writer, reader) in pairs for reader, writer in pairs):
        return Anomaly.WRITE_SKEW
    return Anomaly.RACE


@dataclass(frozen=True, slots=True)
class _Stale:
    """Somebody read what another was about to change; `written_too`: and then wrote the same himself."""

    reader: int
    writer: int
    written_too: bool


def _stale_reads(accesses: Sequence[_Access]) -> list[_Stale]:
    found = []
    for read in accesses:
        for write in accesses:
            shared = read.reads & write.writes
            if write.actor == read.actor or not shared or write.seen_at <= read.at:
                continue
            acts = [
                mine
                for mine in accesses
                if mine.actor == read.actor and mine.writes and mine.at > read.at and mine.seen_at > write.at
            ]
            if acts:
                found.append(_Stale(read.actor, write.actor, any(mine.writes & shared for mine in acts)))
    return found


def _seen_at(steps: Sequence[TraceStep], number: int) -> int:
    """The step from which on others see what this one wrote: its transaction's COMMIT, or itself."""
    step = steps[number]
    if step.protocol == "postgres" and step.in_transaction:
        for later in range(number + 1, len(steps)):
            after = steps[later]
            if (after.link, after.connection) == (step.link, step.connection) and not after.in_transaction:
                return later
    return number


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
