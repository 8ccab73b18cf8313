"""Numbers footprints, so that a dependence check costs one look-up."""

from __future__ import annotations

from overbooked.interleavings.footprints.resources import Footprint

# Depends on every other footprint, including empty ones, because an actor that waits for something invisible
# at the wire may be woken by any step. Without reduction every step has this footprint.
ALL = 0


class Dependence:
    """Numbers footprints from 1 and caches which are dependent; `ALL` is number 0.

    Args:
        reduce: False: every footprint is `ALL`, so that no two steps are independent.
    """

    def __init__(self, *, reduce: bool = True) -> None:
        self._reduce = reduce
        self._numbers: dict[Footprint, int] = {}
        self._footprints: list[Footprint | None] = [None]
        self._known: dict[tuple[int, int], bool] = {}
        self._unions: dict[tuple[int, int], int] = {}

    def number(self, footprint: Footprint) -> int:
        """Return the number of a footprint."""
        if not self._reduce:
            return ALL
        found = self._numbers.get(footprint)
        if found is None:
            found = self._numbers[footprint] = len(self._footprints)
            self._footprints.append(footprint)
        return found

    def dependent(self, one: int, other: int) -> bool:
        """Return whether the order of steps with these footprints can matter."""
        if ALL in (one, other):
            return True
        pair = (one, other) if one <= other else (other, one)
        known = self._known.get(pair)
        if known is None:
            first, second = self._footprints[one], self._footprints[other]
            assert first is not None
            assert second is not None
            known = self._known[pair] = first.dependent(second)
        return known

    def union(self, one: int, other: int) -> int:
        """Return the number of the union of two footprints."""
        if one == other:
            return one
        if ALL in (one, other):
            return ALL
        pair = (one, other)
        known = self._unions.get(pair)
        if known is None:
            first, second = self._footprints[one], self._footprints[other]
            assert first is not None
            assert second is not None
            known = self._unions[pair] = self.number(first | second)
        return known

    def said(self, number: int) -> str:
        """Return a footprint as text, for messages."""
        footprint = self._footprints[number]
        return "everything" if footprint is None else footprint.said()
