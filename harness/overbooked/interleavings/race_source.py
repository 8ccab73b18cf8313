"""Draws fresh races from a scenario's race function, and collects its judgement of each result.

Explorations and bursts both get their races here, so that the same soundness rules apply to both. A race
function that could close a clause without judging it is rejected: one that yields nothing, ends early, judges
before it yields, judges nothing afterwards, or catches its own finding.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from inspect import iscoroutine

from overbooked.errors import GapFound, HarnessError, UsageError, findings_made
from overbooked.interleavings.scheduler.actors import Actor, as_actor
from overbooked.interleavings.scheduler.race import Race, RaceFunction, RaceResult, Races
from overbooked.targets.adapter import Action
from overbooked.verdicts.judge import overhearing


class InvalidRace(HarnessError):
    """The results of a race function prove nothing; the message names the violated rule."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """The findings of a race function in one result.

    Args:
        found: pairs of clause and finding, in order; the clause is "" for a finding outside every judge
            block.
    """

    found: Sequence[tuple[str, GapFound]] = ()

    def of(self, clauses: Sequence[str]) -> dict[str, GapFound]:
        """Return the first finding of each of these clauses; one outside every block counts for each
        clause."""
        opened: dict[str, GapFound] = {}
        for clause, gap in self.found:
            for each in (clause,) if clause else clauses:
                if each in clauses:
                    opened.setdefault(each, gap)
        return opened


class RaceSource:
    """One race function with its arguments: alternately prepares a race and judges its result.

    Args:
        function: makes the async generator; called again after a generator ended with an error.
        args: its arguments.
        now: the clock of the system's recorder.
        places: take only the actors at these indexes, e.g. two requests of a burst; None: all.
    """

    def __init__(
        self,
        function: RaceFunction,
        args: Sequence[object],
        now: Callable[[], float],
        *,
        places: Sequence[int] | None = None,
    ) -> None:
        self.name = getattr(function, "__name__", "race")
        self.judged: set[str] = set()
        self._function = function
        self._args = args
        self._now = now
        self._places = places
        self._races: Races | None = None
        self._prepared: Race | None = None
        self._taken: Race | None = None
        self._yielded = 0

    async def peek(self) -> Race:
        """Return the race that `take` returns next.

        Raises:
            InvalidRace: the function yields no actors, or judges before it yields.
            UsageError: it is not an async generator function, or yields something other than actions.
        """
        if self._prepared is None:
            if self._taken is not None:  # it got no result, so the generator cannot continue
                await self.close()
            self._prepared = await self._first() if self._races is None else self._ended()
        return self._prepared

    async def take(self) -> Race:
        """Return a fresh race to run; call `judge` or `skip` afterwards. Raises as `peek` does."""
        race = await self.peek()
        self._prepared, self._taken = None, race
        return race

    def awaits(self, race: Race) -> bool:
        """Return whether this race was taken and its result was neither judged nor skipped yet."""
        return self._taken is race

    async def judge(self, ran: RaceResult) -> Judgement:
        """Let the function judge a result; it then also prepares the next race.

        Raises:
            InvalidRace: the function judged nothing, or caught its own finding.
            Exception: an error of the function, unless it had a finding before.
        """
        assert self._races is not None
        self._taken = None
        begun = self._now()
        with overhearing() as overheard, findings_made() as made:
            try:
                self._prepared = self._race(await self._races.asend(ran), begun)
            except StopAsyncIteration:
                pass  # `peek` raises InvalidRace if another race is needed
            except GapFound as gap:
                overheard.found.append(("", gap))
                self._races = None
            except BaseException as error:
                self._races = None
                if not overheard.found or not isinstance(error, Exception):
                    raise
        self.judged |= overheard.judged
        self._require_told(made, [gap for _, gap in overheard.found])
        if not overheard.judged and not overheard.found:
            raise InvalidRace(
                f"{self.name} judges nothing after its `yield`; check what came back in `with judge(...):`"
            )
        return Judgement(tuple(overheard.found))

    async def skip(self, ran: RaceResult) -> None:
        """Continue after a result that must not be judged; findings in it are discarded."""
        judged = set(self.judged)
        try:
            await self.judge(ran)
        except Exception:  # results and errors of a disturbed race are ignored
            await self.close()
        self.judged = judged

    async def close(self) -> None:
        """Close the generator at its yield."""
        races, self._races = self._races, None
        self._prepared, self._taken = None, None
        if races is not None:
            with suppress(RuntimeError):  # the generator yields again instead of ending
                await races.aclose()

    def unjudged(self, clauses: Collection[str]) -> str:
        """Return why some of these clauses cannot be closed; "" if each was judged after a race."""
        missing = sorted(set(clauses) - self.judged)
        if not missing:
            return ""
        return (
            f"{self.name} judges nothing for {', '.join(missing)} after its `yield`; check what came back in "
            f"`with judge({missing[0]!r}):`"
        )

    # -- the generator -------------------------------------------------------------------------

    async def _first(self) -> Race:
        races = self._function(*self._args)
        if not hasattr(races, "asend"):
            if iscoroutine(races):
                races.close()
            raise UsageError(
                f"{self.name} is no race: wanted an async generator function that yields actions, found "
                f"{type(races).__name__}"
            )
        self._races = races
        begun = self._now()
        with overhearing() as overheard:
            try:
                yielded = await anext(races)
            except StopAsyncIteration:
                self._races = None
                raise InvalidRace(
                    f"{self.name} ended without a race: it yields no actions, so nothing was run"
                ) from None
            except BaseException:
                self._races = None
                raise
        if overheard.judged:
            await self.close()
            raise InvalidRace(
                f"{self.name} judges {', '.join(sorted(overheard.judged))} before it yields its actions; "
                "check what came back, after the `yield`"
            )
        return self._race(yielded, begun)

    def _race(self, yielded: Sequence[Action | Actor], begun: float) -> Race:
        listed = list(yielded) if isinstance(yielded, Sequence) else None
        if listed is None or not all(isinstance(one, Action | Actor) for one in listed):
            raise UsageError(
                f"{self.name}: wanted a list of actions or actors from `yield`, found {yielded!r}"
            )
        if not listed:
            raise InvalidRace(f"{self.name} yields no actors, so nothing was run")
        self._yielded += 1
        if self._places is not None:
            listed = [listed[place] for place in self._places]
        return Race(tuple(as_actor(one) for one in listed), begun)

    def _ended(self) -> Race:
        times = "once" if self._yielded == 1 else f"{self._yielded} times"
        raise InvalidRace(
            f"{self.name} ended after it had yielded {times}, and another race is needed; prepare a fresh "
            "one for each schedule or round in `while True:`"
        )

    def _require_told(self, made: Sequence[GapFound], told: Sequence[GapFound]) -> None:
        """Raise InvalidRace if the race function caught its own findings."""
        reached: set[int] = set()
        for gap in told:
            link: BaseException | None = gap
            while link is not None:
                reached.add(id(link))
                link = link.__cause__ or link.__context__
        swallowed = next((gap for gap in made if id(gap) not in reached), None)
        if swallowed is not None and not told:
            raise InvalidRace(
                f"{self.name} catches a finding of its own ({swallowed.what}); leave it to the judge block"
            )
