"""Names the anomaly of a schedule from the reads and writes of its steps.

The names are those of the literature. Lost update and write skew: Berenson et al., "A Critique of ANSI SQL
Isolation Levels" (SIGMOD 1995). Read skew (G-single), predicate-many-preceders (PMP) and the classes G2-item
and G2: Adya, "Weak Consistency" (1999), and Bailis et al., "Highly Available Transactions" (VLDB 2014). A
double claim is a G2 by inserts: two actors both pass a check and then insert. A dirty effect is an effect
outside the database by an actor whose transaction was rolled back.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from overbooked.interleavings.accesses import Access, Touched, accesses_of
from overbooked.traces.trace import TraceStep

_DEADLOCK = "40P01"
_TIMED_OUT = frozenset({"57014", "55P03", "25P03", "25P04", "57P05"})


class Anomaly(StrEnum):
    """The name of an anomaly; RACE if no other fits."""

    NO_RACE = "no race needed"
    DOUBLE_CLAIM = "double claim"
    LOST_UPDATE = "lost update"
    WRITE_SKEW = "write skew"
    READ_SKEW = "read skew"
    PREDICATE_MANY_PRECEDERS = "predicate-many-preceders"
    DIRTY_EFFECT = "dirty effect"
    DEADLOCK = "deadlock"
    TIMEOUT = "timeout"
    RACE = "race"


class Phenomenon(StrEnum):
    """Adya's and Bailis' classes that PostgreSQL allows at some isolation level."""

    PMP = "PMP: predicate-many-preceders"
    P4 = "P4: lost update"
    G_SINGLE = "G-single: read skew"
    G2_ITEM = "G2-item: write skew"
    G2 = "G2: anti-dependency cycle"


def name_anomaly(steps: Sequence[TraceStep], touched: Sequence[Touched]) -> Anomaly:
    """Return the name of the anomaly of a schedule that violated an invariant.

    Args:
        steps: the steps of the trace, in order.
        touched: the reads and writes of each step.
    """
    if is_serial(steps):
        return Anomaly.NO_RACE
    accesses = accesses_of(steps, touched)
    if _effect_of_what_was_undone(steps, accesses):
        return Anomaly.DIRTY_EFFECT
    stale = _stale_reads(accesses)
    if any(_claims_too(accesses, old.actor, new.actor) for old, new in stale):
        return Anomaly.DOUBLE_CLAIM
    match _classified(accesses, stale):
        case Phenomenon.P4:
            return Anomaly.LOST_UPDATE
        case Phenomenon.G2 | Phenomenon.G2_ITEM:
            return Anomaly.WRITE_SKEW
        case Phenomenon.G_SINGLE:
            return Anomaly.READ_SKEW
        case Phenomenon.PMP:
            return Anomaly.PREDICATE_MANY_PRECEDERS
    errors = {step.error for step in steps}
    if _DEADLOCK in errors:
        return Anomaly.DEADLOCK
    return Anomaly.TIMEOUT if errors & _TIMED_OUT else Anomaly.RACE


def phenomenon_of(steps: Sequence[TraceStep], touched: Sequence[Touched]) -> Phenomenon | None:
    """Return the phenomenon in a schedule that violated an invariant; None if it shows none."""
    accesses = accesses_of(steps, touched)
    return None if is_serial(steps) else _classified(accesses, _stale_reads(accesses))


def is_serial(steps: Sequence[TraceStep]) -> bool:
    """Return whether each actor ended before the next began, so that no two overlapped."""
    order = [step.actor for at, step in enumerate(steps) if not at or step.actor != steps[at - 1].actor]
    return len(order) > 1 and len(order) == len(set(order))


_Stale = tuple[Access, Access]


def _stale_reads(accesses: Sequence[Access]) -> list[_Stale]:
    """Return the anti-dependencies: a read, and another actor's write of the same data that it did not
    see."""
    return [
        (read, write)
        for read in accesses
        for write in accesses
        if write.actor != read.actor and write.seen_at > read.at and read.sees(write)
    ]


def _classified(accesses: Sequence[Access], stale: Sequence[_Stale]) -> Phenomenon | None:
    if any(_overwrites(accesses, *pair) for pair in stale):
        return Phenomenon.P4
    for old, new in stale:
        for read in accesses:
            seen = [one for one in accesses if one.actor == new.actor and one.seen_at < read.at]
            if read.actor == old.actor and any(read.sees(one) for one in seen):
                items = not (old.items.by_predicate or read.items.by_predicate)
                return Phenomenon.G_SINGLE if items else Phenomenon.PMP
    for old, new in stale:
        for other, newer in stale:
            if other.actor == new.actor and newer.actor == old.actor:
                items = not any(one.items.by_predicate or one.items.adds for one in (old, new, other, newer))
                return Phenomenon.G2_ITEM if items else Phenomenon.G2
    return None


def _overwrites(accesses: Sequence[Access], read: Access, write: Access) -> bool:
    """Return whether the reader later overwrites the other's write, based on its earlier read."""
    if write.items.adds:
        return False
    return any(
        mine.actor == read.actor
        and not mine.items.adds
        and (mine.at > read.at or (mine.at == read.at and mine.decides))
        and mine.seen_at > write.at
        and bool(mine.writes & write.writes & read.reads)
        and mine.items.overlaps(write.items)
        for mine in accesses
    )


def _claims_too(accesses: Sequence[Access], one: int, other: int) -> bool:
    def inserts(actor: int) -> set[str]:
        return {
            access.step.shape
            for access in accesses
            if access.actor == actor and access.inserts and (access.step.rows or 0) > 0
        }

    return bool(inserts(one) & inserts(other))


def _effect_of_what_was_undone(steps: Sequence[TraceStep], accesses: Sequence[Access]) -> bool:
    for access in accesses:
        if access.step.protocol == "postgres" or not access.writes:
            continue
        later = [step for step in steps[access.at :] if step.actor == access.actor]
        if any(step.verb == "ROLLBACK" for step in later) and not any(
            step.verb == "COMMIT" for step in later
        ):
            return True
    return False
