"""What the steps of a trace read and wrote, for naming what went wrong in it."""

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
    """What one step read and wrote; `overbooked.interleavings.footprints.footprints.Footprint` is one."""

    @property
    def reads(self) -> Collection[str]: ...

    @property
    def writes(self) -> Collection[str]: ...


@dataclass(frozen=True, slots=True)
class Access:
    """What a step read when it was let go, and what it wrote, which others see from `seen_at` on."""

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
        """What it writes depends on what it looks up in the same statement."""
        return bool(_LOOKS_UP.search(self.step.text or self.step.verb))

    @property
    def inserts(self) -> bool:
        """It makes rows, as far as its text or that of a function would tell."""
        step = self.step
        if step.verb in {"INSERT", "WITH"}:
            return step.verb == "INSERT" or bool(_INSERTS.search(step.text))
        return step.verb == "SELECT" and bool(self.writes)

    def sees(self, write: Access) -> bool:
        """Whether this reads what that writes, so that its outcome depends on which comes first.

        A plain UPDATE or DELETE reads no more than the rows that it changes, once it has them locked, and
        a plain INSERT none.
        """
        plain = self.step.verb in {"INSERT", "UPDATE", "DELETE"} and not self.decides
        return not plain and bool(self.reads & write.writes) and self.items.overlaps(write.items)


def accesses_of(steps: Sequence[TraceStep], touched: Sequence[Touched]) -> list[Access]:
    """The accesses of a trace whose effect stayed, or that had none."""
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
    # A lock counts as a write for the order of steps, and changes nothing.
    if step.verb not in _LOOKS:
        return False
    return step.verb == "GET" or (bool(_LOCKS.search(step.text)) and not _CHANGES.search(step.text))


def _end(steps: Sequence[TraceStep], at: int) -> tuple[int, bool]:
    """The step from which on others see what this one wrote, and whether it was undone instead."""
    step = steps[at]
    if step.protocol != "postgres" or not step.in_transaction:
        return at, False
    for later in range(at + 1, len(steps)):
        after = steps[later]
        if (after.link, after.connection) != (step.link, step.connection) or after.in_transaction:
            continue
        return later, bool(after.error) or after.verb in {"ROLLBACK", "TERMINATE"}
    return at, False
