"""The reads and writes of the steps of a trace, for naming its anomaly."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from overbooked.interleavings.footprints.items import Items, items_of
from overbooked.traces.trace import TraceStep

_CONTROL = {"BEGIN", "COMMIT", "ROLLBACK", "TERMINATE"}
_LOOKS = {"SELECT", "WITH", "VALUES", "TABLE", "GET"}
_LOCKS = re.compile(r"\bFOR\s+(?:NO\s+KEY\s+UPDATE|UPDATE|SHARE|KEY\s+SHARE)\b", re.IGNORECASE)
_CHANGES = re.compile(r"\b(?:INSERT\s+INTO|UPDATE\s+\S+\s+SET|DELETE\s+FROM)\b", re.IGNORECASE)
_INSERTS = re.compile(r"\bINSERT\s+INTO\b", re.IGNORECASE)
_LOOKS_UP = re.compile(r"\bSELECT\b", re.IGNORECASE)
_ADVISORY = frozenset({"table:pg_advisory"})


class Touched(Protocol):
    """The reads and writes of one step; `overbooked.interleavings.footprints.footprints.Footprint` is one."""

    @property
    def reads(self) -> Collection[str]: ...

    @property
    def writes(self) -> Collection[str]: ...


@dataclass(frozen=True, slots=True)
class Access:
    """The reads of a step when it was released, and its writes, visible to others from step `seen_at` on."""

    at: int
    seen_at: int
    step: TraceStep
    reads: frozenset[str]
    writes: frozenset[str]
    items: Items

    @property
    def actor(self) -> int:
        return self.step.actor

    @property
    def decides(self) -> bool:
        """Whether the writes depend on a SELECT in the same statement."""
        return bool(_LOOKS_UP.search(self.step.text or self.step.verb))

    @property
    def inserts(self) -> bool:
        """Whether the step inserts rows, judged by its text; a SELECT that writes counts as inserting."""
        step = self.step
        if step.verb in {"INSERT", "WITH"}:
            return step.verb == "INSERT" or bool(_INSERTS.search(step.text))
        return step.verb == "SELECT" and bool(self.writes)

    def sees(self, write: Access) -> bool:
        """Return whether this access reads what `write` writes, so that its outcome depends on their order.

        A plain UPDATE or DELETE reads only the rows that it changes, after locking them; a plain INSERT reads
        none.
        """
        plain = self.step.verb in {"INSERT", "UPDATE", "DELETE"} and not self.decides
        return not plain and bool(self.reads & write.writes) and self.items.overlaps(write.items)


def accesses_of(steps: Sequence[TraceStep], touched: Sequence[Touched]) -> list[Access]:
    """Return the accesses of a trace that were not rolled back."""
    found = []
    for at, (step, one) in enumerate(zip(steps, touched, strict=True)):
        if step.error or step.verb in _CONTROL:
            continue
        seen_at, undone = _end(steps, at)
        if not undone:
            writes = frozenset[str]() if _only_looks(step) else frozenset(one.writes) - _ADVISORY
            items = items_of(step.text, step.values)
            found.append(Access(at, seen_at, step, frozenset(one.reads), writes, items))
    return found


def _only_looks(step: TraceStep) -> bool:
    # A row lock counts as a write when steps are ordered, but it changes no data.
    if step.verb not in _LOOKS:
        return False
    return step.verb == "GET" or (bool(_LOCKS.search(step.text)) and not _CHANGES.search(step.text))


def _end(steps: Sequence[TraceStep], at: int) -> tuple[int, bool]:
    """Return the step from which others see this step's writes, and whether it was rolled back."""
    step = steps[at]
    if step.protocol != "postgres" or not step.in_transaction:
        return at, False
    for later in range(at + 1, len(steps)):
        after = steps[later]
        if (after.link, after.connection) != (step.link, step.connection) or after.in_transaction:
            continue
        return later, bool(after.error) or after.verb in {"ROLLBACK", "TERMINATE"}
    return at, False
