"""Footprints of steps: the named resources that are read or written, and when two steps are dependent.

A resource is a name such as `table:slots`, `redis:hold` or `http:provider`. Names contain no ids, because
they must be the same in every run of one exploration: results of one run are applied to others.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Footprint:
    """Resources that a step reads and writes.

    Args:
        reads, writes: names of resources; a written resource need not be among the reads.
        everything: the step may touch anything, so that only empty footprints are independent of it.
    """

    reads: frozenset[str] = frozenset()
    writes: frozenset[str] = frozenset()
    everything: bool = False

    @property
    def is_empty(self) -> bool:
        """Whether the step touches nothing that others can observe."""
        return not (self.everything or self.reads or self.writes)

    def dependent(self, other: Footprint) -> bool:
        """Return whether the order of the two can matter, i.e. one writes what the other touches."""
        if self.everything or other.everything:
            return not (self.is_empty or other.is_empty)
        return not (
            self.writes.isdisjoint(other.writes)
            and self.writes.isdisjoint(other.reads)
            and self.reads.isdisjoint(other.writes)
        )

    def __or__(self, other: Footprint) -> Footprint:
        if self.everything or other.everything:
            return EVERYTHING
        return Footprint(self.reads | other.reads, self.writes | other.writes)

    def said(self) -> str:
        """Return the footprint as text, e.g. `reads table:slots; writes table:bookings`."""
        if self.everything:
            return "everything"
        parts = [
            f"{verb} {', '.join(sorted(names))}"
            for verb, names in (("reads", self.reads), ("writes", self.writes))
            if names
        ]
        return "; ".join(parts) or "nothing"


NOTHING = Footprint()
EVERYTHING = Footprint(everything=True)


def touching(*, reads: Iterable[str] = (), writes: Iterable[str] = ()) -> Footprint:
    """Return a footprint of these resources."""
    return Footprint(frozenset(reads), frozenset(writes))


def dependent(one: Footprint, other: Footprint) -> bool:
    """Return whether the order of two steps with these footprints can matter."""
    return one.dependent(other)
