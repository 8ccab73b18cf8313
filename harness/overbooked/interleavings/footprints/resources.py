"""What a step touches: named resources, read or written, and when two steps depend on each other.

A resource is a name such as `table:slots`, `redis:hold` or `http:provider`. Names must be the same in
every run of one exploration, since what was learnt in one run is applied to others: no ids in them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Footprint:
    """Resources that a step reads and writes.

    Args:
        reads, writes: names of resources; what is written need not be among the read.
        everything: it may touch anything at all, so that nothing is independent of it but what
            touches nothing.
    """

    reads: frozenset[str] = frozenset()
    writes: frozenset[str] = frozenset()
    everything: bool = False

    @property
    def is_empty(self) -> bool:
        """It touches nothing that anybody else can see."""
        return not (self.everything or self.reads or self.writes)

    def dependent(self, other: Footprint) -> bool:
        """Whether the order of the two can matter: one writes what the other touches."""
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
        """For people: `reads table:slots; writes table:bookings`."""
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
    """A footprint of these resources."""
    return Footprint(frozenset(reads), frozenset(writes))


def dependent(one: Footprint, other: Footprint) -> bool:
    """Whether the order of two steps with these footprints can matter."""
    return one.dependent(other)
