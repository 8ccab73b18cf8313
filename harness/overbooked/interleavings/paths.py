"""The boundaries of each actor in earlier schedules, to name the statement at which one differs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Mapping, Sequence

from overbooked.interleavings.scheduler.strategy import SchedulingPoint, Strategy
from overbooked.traces.trace import Trace

_SHOWN = 120


class Witness:
    """A strategy wrapper that records one schedule: released boundaries by actor, and those held at the
    end."""

    def __init__(self, choose: Strategy) -> None:
        self._choose = choose
        self.taken: defaultdict[int, list[str]] = defaultdict(list)
        self._held: Mapping[int, str] = {}

    def next(self, choice: SchedulingPoint) -> int | Awaitable[int]:
        self._held = {actor: boundary.shape for actor, boundary in choice.held.items()}
        chosen = self._choose.next(choice)
        return self._went(chosen) if isinstance(chosen, int) else self._later(chosen)

    async def _later(self, choosing: Awaitable[int]) -> int:
        return self._went(await choosing)

    def _went(self, actor: int) -> int:
        if actor in self._held:
            self.taken[actor].append(self._held[actor])
            self._held = {n: shape for n, shape in self._held.items() if n != actor}
        return actor

    def paths(self) -> dict[int, tuple[str, ...]]:
        """Return the steps of each actor, followed by the boundary at which it was held at the end."""
        actors = {*self.taken, *self._held}
        return {
            actor: (*self.taken[actor], *([self._held[actor]] if actor in self._held else []))
            for actor in sorted(actors)
        }


class Paths:
    """The known paths of actors; an actor may have several, e.g. as winner and as loser."""

    def __init__(self) -> None:
        self._known: defaultdict[int, set[tuple[str, ...]]] = defaultdict(set)

    def learn(self, trace: Trace) -> None:
        """Add a schedule that ran to its end."""
        for actor in range(len(trace.actors)):
            self._known[actor].add(tuple(step.shape for step in trace.of(actor)))

    def departure(self, names: Sequence[str], found: Mapping[int, Sequence[str]]) -> str:
        """Return the first statement at which an actor leaves every known path; "" if none does.

        Args:
            names: the names of the actors.
            found: the steps of each actor, possibly incomplete.
        """
        for actor, way in sorted(found.items()):
            known = self._known.get(actor)
            if not known or not way:
                continue
            common, nearest = max((_common(way, one), one) for one in known)
            if common < len(way):
                instead = _short(nearest[common]) if common < len(nearest) else "its end"
                name = names[actor] if actor < len(names) else f"actor {actor}"
                return (
                    f"step {common + 1} of {name} is {_short(way[common])}, and in earlier schedules it was "
                    f"{instead}"
                )
        return ""


def _common(one: Sequence[str], other: Sequence[str]) -> int:
    for number, (here, there) in enumerate(zip(one, other, strict=False)):
        if here != there:
            return number
    return min(len(one), len(other))


def _short(text: str) -> str:
    text = " ".join(text.split())
    return f"`{text if len(text) <= _SHOWN else text[: _SHOWN - 1] + '…'}`"
