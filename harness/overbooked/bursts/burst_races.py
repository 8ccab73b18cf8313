"""What a burst has found, looked for once more statement by statement: two of its requests, in every order.

A burst shows that something breaks, not how. Two of its requests that share something (a slot, a booking) are
explored on rounds that the scenario prepares, with the scenario's own check, so that the finding gets a
schedule to replay; or the evidence says why there is none.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from inspect import isawaitable
from typing import Any

from overbooked.bundles.schema import OF_A_BURST
from overbooked.bursts.odds import Played, Round
from overbooked.errors import GapFound, HarnessError
from overbooked.interleavings.explorer import Explore
from overbooked.interleavings.scheduler.race import Race, Ran
from overbooked.targets.adapter import Action
from overbooked.verdicts.judge import Judge

MakeRound = Callable[[int], Awaitable[Round]]
Check = Callable[[Played], Awaitable[None] | None]
# Makes what explores for a judge; raises NotSupported where the means are missing.
MakeExplore = Callable[[Judge], Explore]

# Key of a finding's details: what the schedule shows, which is less than what the burst did.
IN_SCHEDULE = "in the schedule"
# Of one pair, and of all pairs together.
SCHEDULES = 200
LIMIT_S = 30.0


@dataclass(frozen=True, slots=True)
class Pair:
    """Two requests of a burst, by their places in it."""

    title: str
    places: tuple[int, int]


def pairs(actions: Sequence[Action]) -> list[Pair]:
    """The pairs worth exploring: one for each two verbs, sharing an argument; the same verb twice first."""
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


@dataclass(frozen=True, slots=True)
class BurstRace:
    """A burst as a race of two of its requests.

    Args:
        judge: the scenario's; what its check rules meanwhile is overheard, and rules on nothing.
        make_round: prepares a round.
        check: of the scenario.
        number: of the round that showed it.
        clauses: what is looked for.
    """

    judge: Judge
    make_round: MakeRound
    check: Check
    number: int
    clauses: Sequence[str]
    heard: set[str] = field(default_factory=set)

    def of(self, pair: Pair) -> Callable[[], Awaitable[Race]]:
        """Makes the race of a pair, on a round of its own."""

        async def make() -> Race:
            made = await self.make_round(self.number)
            actions = [made.actions[place] for place in pair.places]
            return Race(actions, always=[self._check], slots=made.slots, facts=made.facts)

        return make

    async def _check(self, ran: Ran) -> None:
        actions = [one for one in ran.race.actors if isinstance(one, Action)]
        told = [answer for answer in ran.answers if answer is not None]
        played = Played(self.number, Round(actions, ran.slots, ran.facts), told, ran.history)
        with self.judge.overhearing() as overheard:
            try:
                checked = self.check(played)
                if isawaitable(checked):
                    await checked
            except GapFound as gap:
                overheard.extend((clause, gap) for clause in self.clauses)
        found = [(clause, gap) for clause, gap in overheard if clause in self.clauses]
        if found:
            self.heard.clear()
            self.heard.update(clause for clause, _ in found)
            raise found[0][1]


async def explored(
    race: BurstRace, actions: Sequence[Action], make: MakeExplore
) -> Iterator[tuple[str, Any]]:
    """Explore the pairs of a burst until one breaks.

    Returns:
        What to tell of each clause, `(clause, details)`: lanes, schedule and recording of the schedule that
        breaks, or under `no schedule` why there is none.
    """
    chosen = pairs(actions)
    tried: list[str] = []
    until = time.monotonic() + LIMIT_S
    for pair in chosen:
        aside = Judge(race.clauses, race.judge.scenario)
        try:
            explore = make(aside)
        except HarnessError as error:
            return _nothing(race, f"this race cannot be explored: {error}")
        try:
            async with asyncio.timeout(max(1.0, until - time.monotonic())):
                result = await explore.interleavings(
                    race.of(pair), clause=race.clauses[0], name=pair.title, schedules=SCHEDULES
                )
        except TimeoutError:
            tried.append(f"{pair.title}: given up after {LIMIT_S:g} s")
            break
        except HarnessError as error:
            tried.append(f"{pair.title}: {str(error).splitlines()[0][:200]}")
            continue
        finally:
            await explore.close()
        finding = aside.finding(race.clauses[0])
        if finding is None:
            tried.append(f"{pair.title}: closed, {result.schedules} schedules")
        elif not finding.details.get("preemptions"):
            tried.append(f"{pair.title}: broken one after the other, so that no race is needed")
        else:
            in_schedule = {
                "what": finding.what,
                "expected": finding.expected,
                "observed": finding.observed,
                "operations": list(finding.operations),
            }
            told = {
                **finding.details,
                "schedule found by": f"exploring {pair.title}",
                IN_SCHEDULE: in_schedule,
            }
            heard = set(race.heard)
            rest = f"found by exploring {pair.title} for {', '.join(sorted(heard))} only"
            return iter(
                (clause, told if clause in heard else {"no schedule": rest}) for clause in race.clauses
            )
    return _nothing(race, "; ".join(tried) or "no two of its requests share anything that is known")


def _nothing(race: BurstRace, why: str) -> Iterator[tuple[str, Any]]:
    return iter([(clause, {"no schedule": why}) for clause in race.clauses])


@dataclass(slots=True)
class Replayed:
    """Runs one schedule of a burst's race again.

    Args:
        judge: of the scenario, which rules.
        clause: what the schedule opened.
        race: the title of the pair; see `pairs`.
        explore: runs the schedule and nothing else.
    """

    judge: Judge
    clause: str
    race: str
    explore: Explore
    done: bool = False

    async def run(self, make_round: MakeRound, check: Check) -> None:
        """Run it where these rounds have that pair; the first that do are the ones.

        Raises:
            NothingConcluded: it could not be run undisturbed.
        """
        if self.done:
            return
        for pair in pairs((await make_round(0)).actions):
            if pair.title == self.race:
                self.done = True
                race = BurstRace(self.judge, make_round, check, 0, [self.clause])
                await self.explore.interleavings(race.of(pair), clause=self.clause, name=pair.title)
