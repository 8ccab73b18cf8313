"""Explores pairs of requests of a burst with a finding, to get a replayable schedule.

A burst shows that an invariant is violated, but not by which schedule. The same race is explored with two of
its requests that share an object (a slot, a booking). If no pair violates the invariant, the evidence states
why there is no schedule.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from overbooked.bundles.schema import OF_A_BURST
from overbooked.errors import HarnessError
from overbooked.interleavings.explorer import Explorer
from overbooked.interleavings.race_source import RaceSource
from overbooked.interleavings.scheduler.actors import Actor
from overbooked.interleavings.scheduler.race import RaceFunction
from overbooked.recording import Recording
from overbooked.targets.adapter import Action
from overbooked.verdicts.judge import Judge

# Makes an explorer that rules on the clauses of a judge; raises NotSupported if links have no gate.
MakeExplore = Callable[[Judge], Explorer]

# Key in a finding's details for the finding of the schedule, which is smaller than that of the burst.
IN_SCHEDULE = "in the schedule"
# Maximum number of schedules per pair, and maximum number of seconds for all pairs.
SCHEDULES = 200
LIMIT_S = 30.0


@dataclass(frozen=True, slots=True)
class Explanation:
    """The explanation of a burst's finding by an exploration.

    Args:
        clause: the clause of the finding.
        details: lanes, schedule and anomaly of the violating schedule; or, under `no schedule`, the reason
            why there is none.
        recording: the recording of that schedule.
    """

    clause: str
    details: Mapping[str, Any]
    recording: Recording | None = None


@dataclass(frozen=True, slots=True)
class Pair:
    """Two requests of a burst, by their indexes."""

    title: str
    places: tuple[int, int]


def pairs(actors: Sequence[Actor]) -> list[Pair]:
    """Return one pair of requests with a common argument per pair of verbs; pairs of equal verbs first."""
    actions = [actor.does for actor in actors if isinstance(actor.does, Action)]
    found: dict[tuple[str, str], tuple[int, int]] = {}
    for i, one in enumerate(actions):
        for j in range(i + 1, len(actions)):
            if _shares(one, actions[j]):
                found.setdefault((one.verb, actions[j].verb), (i, j))
    ordered = sorted(found.items(), key=lambda item: item[0][0] != item[0][1])
    return [
        Pair(f"{verbs[0]} and {verbs[1]}{OF_A_BURST}{places[0] + 1} and {places[1] + 1}", places)
        for verbs, places in ordered
    ]


def _shares(one: Action, other: Action) -> bool:
    values = {str(value) for value in one.args.values()}
    return any(str(value) in values for value in other.args.values())


async def explore_pairs(
    race: RaceFunction,
    args: Sequence[object],
    actors: Sequence[Actor],
    clauses: Sequence[str],
    scenario: str,
    make: MakeExplore,
) -> list[Explanation]:
    """Explore the pairs of a burst until one violates an invariant.

    Args:
        race: the race function that the burst played, with its `args`.
        actors: the actors of the round with the finding.
        clauses: the clauses that the round opened; this function rules on none.
        scenario: the node id of the scenario.
        make: makes the explorer.

    Returns:
        The explanation of each clause: lanes, schedule and recording of the violating schedule, or the
        reason under `no schedule`.
    """
    tried: list[str] = []
    until = time.monotonic() + LIMIT_S
    for pair in pairs(actors):
        aside = Judge(clauses, scenario)
        try:
            explorer = make(aside)
        except HarnessError as error:
            return _no_schedule(clauses, f"this race cannot be explored: {error}")
        try:
            async with asyncio.timeout(max(1.0, until - time.monotonic())):
                result = await explorer.explore(
                    race, *args, name=pair.title, schedules=SCHEDULES, places=pair.places
                )
        except TimeoutError:
            tried.append(f"{pair.title}: given up after {LIMIT_S:g} s")
            break
        except HarnessError as error:
            tried.append(f"{pair.title}: {str(error).splitlines()[0][:200]}")
            continue
        finally:
            await explorer.close()
        if not aside.open_clauses:
            tried.append(f"{pair.title}: closed, {result.schedules} schedules")
            continue
        first = aside.finding(aside.open_clauses[0])
        if first is None or not first.details.get("preemptions"):
            tried.append(f"{pair.title}: broken one after the other, so that no race is needed")
            continue
        return [_explanation(aside, clause, pair) for clause in clauses]
    return _no_schedule(clauses, "; ".join(tried) or "no two of its requests share anything that is known")


def _explanation(aside: Judge, clause: str, pair: Pair) -> Explanation:
    finding = aside.finding(clause)
    if finding is None:
        others = ", ".join(sorted(aside.open_clauses))
        return Explanation(clause, {"no schedule": f"found by exploring {pair.title} for {others} only"})
    details = {
        **finding.details,
        "schedule found by": f"exploring {pair.title}",
        IN_SCHEDULE: {
            "what": finding.what,
            "expected": finding.expected,
            "observed": finding.observed,
            "operations": list(finding.operations),
        },
    }
    return Explanation(clause, details, finding.recording)


def _no_schedule(clauses: Sequence[str], why: str) -> list[Explanation]:
    return [Explanation(clause, {"no schedule": why}) for clause in clauses]


@dataclass(slots=True)
class Replayed:
    """Replays one recorded schedule of a burst's race.

    Args:
        clause: the clause that the schedule opened.
        race: the title of the pair; see `pairs`.
        explore: an explorer that runs only this schedule.
        done: whether it was replayed.
    """

    clause: str
    race: str
    explore: Explorer
    done: bool = False

    async def run(self, race: RaceFunction, args: Sequence[object], source: RaceSource) -> None:
        """Run the schedule if this race has the pair and no earlier race had it.

        Raises:
            Inconclusive: the schedule could not be run undisturbed.
        """
        if self.done:
            return
        for pair in pairs((await source.peek()).actors):
            if pair.title == self.race:
                self.done = True
                await self.explore.explore(
                    race, *args, clause=self.clause, name=pair.title, places=pair.places
                )
