"""What each actor did at the wire in the schedules so far, to name the statement by which one departs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Mapping, Sequence

from overbooked.interleavings.scheduler.strategy import Choice, Chooser
from overbooked.traces.trace import Trace

_SHOWN = 120


class Witness:
    """Follows the choices of one schedule: what each actor was let go with, and holds at the end."""

    def __init__(self, choose: Chooser) -> None:
        self._choose = choose
        self.taken: defaultdict[int, list[str]] = defaultdict(list)
        self._held: Mapping[int, str] = {}

    def __call__(self, choice: Choice) -> int | Awaitable[int]:
        self._held = {actor: boundary.shape for actor, boundary in choice.held.items()}
        chosen = self._choose(choice)
        return self._went(chosen) if isinstance(chosen, int) else self._later(chosen)

    async def _later(self, choosing: Awaitable[int]) -> int:
        return self._went(await choosing)

    def _went(self, actor: int) -> int:
        if actor in self._held:
            self.taken[actor].append(self._held[actor])
            self._held = {n: shape for n, shape in self._held.items() if n != actor}
        return actor

    def paths(self) -> dict[int, tuple[str, ...]]:
        """What each actor did, and last what it was about to do when the schedule was given up."""
        actors = {*self.taken, *self._held}
        return {
            actor: (*self.taken[actor], *([self._held[actor]] if actor in self._held else []))
            for actor in sorted(actors)
        }


class Paths:
    """The ways that actors have gone; an actor may go several, as a winner and as a loser."""

    def __init__(self) -> None:
        self._known: defaultdict[int, set[tuple[str, ...]]] = defaultdict(set)

    def learn(self, trace: Trace) -> None:
        """Take in a schedule that ran to its end."""
        for actor in range(len(trace.actors)):
            self._known[actor].add(tuple(step.shape for step in trace.of(actor)))

    def departure(self, names: Sequence[str], found: Mapping[int, Sequence[str]]) -> str:
        """The first statement by which an actor leaves every way known so far; "" when none does.

        Args:
            names: of the actors.
            found: what each did, maybe not to its end.
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
