"""The cases of a scenario with several axes: all of them, or a sample in which every two values meet.

Most defects that depend on a combination depend on two values only (Kuhn, Wallace and Gallo, 2004), so the
sample begins with cases in which every two values of different axes meet at least once.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import combinations, product
from types import SimpleNamespace
from typing import Any

from overbooked.catalog.model import Means
from overbooked.verdicts.exercise import Exercise
from overbooked.verdicts.judge import Judge

# The number of candidates of which the best becomes the next case.
_CANDIDATES = 12


class Sample:
    """The cases of a matrix, each with an attribute for each axis; a case is counted once it has ended.

    All combinations if there are at most `most`; otherwise those of `pairs`, then others drawn at random
    until there are `most`. The verdict's line says how many of how many, and the evidence has the axes.

    Args:
        judge: counts the cases.
        axes: the values of each axis, by its name; at least one axis, each with a value.
        rng: chooses the sample; another seed chooses another one.
        most: the number of cases; the pairs are complete even if they are more.
        what: what a case is, for the evidence.
        apart: axes that are independent of each other, so that their values need not meet.

    Raises:
        ValueError: an axis has no value.
    """

    def __init__(
        self,
        judge: Judge,
        axes: Mapping[str, Sequence[Any]],
        rng: random.Random,
        *,
        most: int = 0,
        what: str = "cases",
        apart: Sequence[str] = (),
    ) -> None:
        self.cases = [SimpleNamespace(**case) for case in chosen(axes, rng, most=most, apart=apart)]
        self._judge = judge
        self._what = what
        self._whole = math.prod(len(values) for values in axes.values())
        judge.note(
            f"axes of {what}", {name: [str(value) for value in values] for name, values in axes.items()}
        )
        judge.tally(what, 0)

    def __iter__(self) -> Iterator[Any]:
        """Yield case after case; end once every clause of the scenario is open."""
        for _, (case,) in self.groups(size=1):
            yield case

    def groups(self, *same: str | Callable[[Any], object], size: int) -> Iterator[tuple[Any, Sequence[Any]]]:
        """Yield the cases in groups that can run together, because they have the same values of some axes.

        Ends once every clause of the scenario is open, because further cases cannot change the verdict.

        Args:
            same: what is the same within a group: the value of an axis, or of a function of the case.
            size: the largest number of cases of a group.

        Yields:
            The first case of the group, for the common values, and the cases of the group.
        """
        alike: dict[tuple[str, ...], list[Any]] = {}
        for case in self.cases:
            key = tuple(str(getattr(case, one) if isinstance(one, str) else one(case)) for one in same)
            alike.setdefault(key, []).append(case)
        for group in alike.values():
            for start in range(0, len(group), size):
                if set(self._judge.clauses) <= set(self._judge.open_clauses):
                    return
                part = group[start : start + size]
                yield part[0], part
                self._judge.tally(self._what, len(part))
                self._judge.exercised(Exercise(Means.MATRIX, len(part), of=self._whole))
                self._whole = 0  # counted once


def chosen(
    axes: Mapping[str, Sequence[Any]], rng: random.Random, *, most: int = 0, apart: Sequence[str] = ()
) -> list[Mapping[str, Any]]:
    """Return all combinations if they are at most `most`; else `pairs`, and others until there are `most`."""
    if math.prod(len(values) for values in axes.values()) <= most:
        return [dict(zip(axes, values, strict=True)) for values in product(*axes.values())]
    found = pairs(axes, rng, apart=apart)
    met = [tuple(case.values()) for case in found]
    while len(found) < most:
        drawn = {name: rng.choice(values) for name, values in axes.items()}
        if tuple(drawn.values()) not in met:
            met.append(tuple(drawn.values()))
            found.append(drawn)
    return found


def pairs(
    axes: Mapping[str, Sequence[Any]], rng: random.Random, *, apart: Sequence[str] = ()
) -> list[Mapping[str, Any]]:
    """Return cases in which every two values of different axes meet: few, though not always the fewest.

    With a single axis, each value is a case. Values of axes that are both in `apart` need not meet.
    """
    empty = [name for name, values in axes.items() if not values]
    if empty or not axes:
        raise ValueError(f"an axis needs values: {', '.join(empty) or 'there is no axis'}")
    names = list(axes)
    if len(names) == 1:
        return [{names[0]: value} for value in axes[names[0]]]
    sizes = [len(axes[name]) for name in names]
    unmet = {
        (a, i, b, j)
        for a, b in combinations(range(len(names)), 2)
        for i in range(sizes[a])
        for j in range(sizes[b])
        if not {names[a], names[b]} <= set(apart)
    }
    found: list[Mapping[str, Any]] = []
    while unmet:
        candidates = [_candidate(sizes, unmet, rng) for _ in range(_CANDIDATES)]
        best = max(candidates, key=lambda case: len(unmet & _met(case)))
        unmet -= _met(best)
        found.append({name: axes[name][index] for name, index in zip(names, best, strict=True)})
    rng.shuffle(found)
    return found


def _candidate(
    sizes: Sequence[int], unmet: set[tuple[int, int, int, int]], rng: random.Random
) -> tuple[int, ...]:
    """Return a case, as indexes, that begins with an unmet pair and adds the values that meet most."""
    a, i, b, j = rng.choice(sorted(unmet))
    case = {a: i, b: j}
    rest = [axis for axis in range(len(sizes)) if axis not in case]
    rng.shuffle(rest)
    for axis in rest:
        values = list(range(sizes[axis]))
        rng.shuffle(values)
        met = {value: sum(_pair(axis, value, *one) in unmet for one in case.items()) for value in values}
        case[axis] = max(values, key=lambda value: met[value])
    return tuple(case[axis] for axis in range(len(sizes)))


def _pair(a: int, i: int, b: int, j: int) -> tuple[int, int, int, int]:
    return (a, i, b, j) if a < b else (b, j, a, i)


def _met(case: Sequence[int]) -> set[tuple[int, int, int, int]]:
    return {(a, case[a], b, case[b]) for a, b in combinations(range(len(case)), 2)}
