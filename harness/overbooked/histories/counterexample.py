"""The part of an illegal history that shows the violation, shrunk within a time limit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from overbooked.histories.history import History
from overbooked.histories.linearizability import Linearizability, LinearizabilitySearch
from overbooked.histories.model import Entry, M, Model, Partition, S
from overbooked.histories.operation import BadHistory, Operation
from overbooked.targets.adapter import Outcome

STEPS_PER_TRY = 50_000


@dataclass(frozen=True, slots=True)
class Counterexample:
    """Operations that have no legal order.

    `prefix` is the shortest failing prefix found. `operations` is the smallest failing sub-history found:
    the other operations of `prefix` cannot make it legal, whether or not they took effect, and at any
    moment within their intervals. `placed` is the longest legal order of `operations` found, `stuck` the
    remaining completed operations.
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
    found: LinearizabilitySearch[S, M],
    *,
    until: float,
    clock: Callable[[], float],
) -> Counterexample:
    """Shrink an illegal partition until the clock reaches `until`.

    First find the shortest failing prefix by bisection; linearizability is prefix-closed. Then make
    operations optional (their effect may be missing), in smaller and smaller groups, while the rest stays
    illegal. Dropping operations would be wrong: without a cancellation that took place, two successive
    bookings look like an oversold slot.
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


def _related(
    model: Model[S, M], history: History, found: LinearizabilitySearch[S, M]
) -> tuple[Operation, ...]:
    """The operations needed to interpret those of one partition on their own."""
    one = found.operations[0]
    for apart in model.prepare(history, apart=True):
        operations = tuple(entry.operation for entry in apart.entries)
        if any(op is one for op in operations):
            return operations
    return history.operations


def _illegal(model: Model[S, M], partition: Partition[S, M]) -> LinearizabilitySearch[S, M] | None:
    search = LinearizabilitySearch(model, partition)
    return search if search.run(STEPS_PER_TRY) is Linearizability.ILLEGAL else None


def _shortest_prefix(
    model: Model[S, M],
    operations: tuple[Operation, ...],
    found: LinearizabilitySearch[S, M],
    until: float,
    clock: Callable[[], float],
) -> tuple[tuple[Operation, ...], LinearizabilitySearch[S, M]]:
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


def _first_illegal(model: Model[S, M], history: History) -> LinearizabilitySearch[S, M] | None:
    try:
        partitions = model.prepare(history)
    except BadHistory:
        return None  # the prefix lacks operations that the model needs
    return next((search for search in (_illegal(model, part) for part in partitions) if search), None)


def _up_to(operations: Sequence[Operation], moment: float) -> History:
    """The history as known at a moment: later calls are removed, later answers are unknown."""
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
) -> tuple[tuple[Entry[M], ...], LinearizabilitySearch[S, M]] | None:
    """The entries, as many as possible made optional; None if time ran out before the first one."""
    entries = partition.entries
    found: LinearizabilitySearch[S, M] | None = None
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
