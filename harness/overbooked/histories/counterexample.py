"""The part of an illegal history that shows the violation, as small as is cheap to get."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from overbooked.histories.history import History
from overbooked.histories.linearizability import Linearizability, Search
from overbooked.histories.model import Entry, M, Model, Partition, S
from overbooked.histories.operation import BadHistory, Operation
from overbooked.targets.adapter import Outcome

STEPS_PER_TRY = 50_000


@dataclass(frozen=True, slots=True)
class Counterexample:
    """Operations which no order explains.

    `operations` is the smallest failing sub-history found: the others of `prefix`, the shortest failing
    prefix, cannot make it legal, whether and wherever within their intervals they took effect.
    `placed` is the longest legal order of `operations` found, `stuck` the rest that had completed.
    """

    partition: str
    operations: tuple[Operation, ...]
    placed: tuple[Operation, ...]
    prefix: tuple[Operation, ...]

    @property
    def stuck(self) -> tuple[Operation, ...]:
        return tuple(op for op in self.operations if op not in self.placed and not op.unknown)

    def as_dict(self) -> dict[str, Any]:
        return {
            "partition": self.partition,
            "operations": [op.as_dict() for op in self.operations],
            "prefix": len(self.prefix),
            "placed": [str(op) for op in self.placed],
            "stuck": [str(op) for op in self.stuck],
        }


def shrink(
    model: Model[S, M],
    history: History,
    found: Search[S, M],
    *,
    until: float,
    clock: Callable[[], float],
) -> Counterexample:
    """Make what a search found illegal small, until a moment of the clock.

    First the shortest failing prefix: linearizability is prefix-closed, so bisection finds it. Then
    operations are made optional (their effect may be missing), in ever smaller groups, as long as the
    rest stays illegal. Just dropping them would lie: without a cancellation that took place, two
    bookings one after the other look like an oversold slot.
    """
    prefix, search = _shortest_prefix(model, _related(model, history, found), found, until, clock)
    for apart in model.prepare(History.of(prefix), apart=True):
        if clock() < until and _illegal(model, apart) is not None:
            weakened = _weaken(model, apart, until, clock)
            if weakened is not None:
                entries, search = weakened
                kept = tuple(entry.operation for entry in entries if not entry.optional)
                placed = tuple(op for op in search.order() if op in kept)
                return Counterexample(found.key, kept, placed, prefix)
    return Counterexample(found.key, prefix, search.order(), prefix)


def _related(model: Model[S, M], history: History, found: Search[S, M]) -> tuple[Operation, ...]:
    """The operations needed to read those of a partition by themselves."""
    one = found.operations[0]
    for apart in model.prepare(history, apart=True):
        operations = tuple(entry.operation for entry in apart.entries)
        if any(op is one for op in operations):
            return operations
    return history.operations


def _illegal(model: Model[S, M], partition: Partition[S, M]) -> Search[S, M] | None:
    search = Search(model, partition)
    return search if search.run(STEPS_PER_TRY) is Linearizability.ILLEGAL else None


def _shortest_prefix(
    model: Model[S, M],
    operations: tuple[Operation, ...],
    found: Search[S, M],
    until: float,
    clock: Callable[[], float],
) -> tuple[tuple[Operation, ...], Search[S, M]]:
    returns = sorted(op.completed_at for op in operations if op.completed_at is not None and not op.unknown)
    prefix, search = operations, found
    low, high = 0, len(returns) - 1  # the prefix up to returns[high] is illegal
    while low < high and clock() < until:
        middle = (low + high) // 2
        known = _up_to(operations, returns[middle])
        illegal = _first_illegal(model, known)
        if illegal is not None:
            prefix, search, high = known.operations, illegal, middle
        else:
            low = middle + 1
    return prefix, search


def _first_illegal(model: Model[S, M], history: History) -> Search[S, M] | None:
    try:
        partitions = model.prepare(history)
    except BadHistory:
        return None  # cut before what makes it readable
    return next((search for search in (_illegal(model, part) for part in partitions) if search), None)


def _up_to(operations: Sequence[Operation], moment: float) -> History:
    """What was known at a moment: later calls did not happen, later answers are unknown."""
    known = []
    for op in operations:
        if op.invoked_at > moment:
            continue
        if op.completed_at is not None and op.completed_at > moment:
            op = replace(op, outcome=Outcome.UNKNOWN, completed_at=None, problem="pending")  # noqa: PLW2901
        known.append(op)
    return History.of(known)


def _weaken(
    model: Model[S, M], partition: Partition[S, M], until: float, clock: Callable[[], float]
) -> tuple[tuple[Entry[M], ...], Search[S, M]] | None:
    """The entries with as many made optional as can be; None when time ran out before the first."""
    entries = partition.entries
    found: Search[S, M] | None = None
    size = len(entries)
    while size > 1:
        size = (size + 1) // 2
        for start in range(0, len(entries), size):
            if clock() >= until:
                break
            tried = tuple(
                replace(entry, optional=True) if start <= at < start + size else entry
                for at, entry in enumerate(entries)
            )
            if tried != entries:
                illegal = _illegal(model, replace(partition, entries=tried))
                if illegal is not None:
                    entries, found = tried, illegal
    return (entries, found) if found else None
