"""Bursts: requests of many clients whose last bytes are sent at the same moment.

Connections are opened and warmed first; each request is sent except for its last byte; then, after a barrier,
all last bytes are sent together. The time between the first and the last of them is measured and noted. A
burst complements an exploration: its verdict requires a sufficient number of rounds.
"""

from __future__ import annotations

import asyncio
import ipaddress
import statistics
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from itertools import repeat

from overbooked.bursts.approaching import Approach, approach
from overbooked.bursts.burst_races import Explanation, MakeExplore, Replayed, explore_pairs
from overbooked.bursts.last_byte_sync import LastByteSync, PendingRequest
from overbooked.bursts.odds import odds
from overbooked.catalog.model import Means
from overbooked.errors import GapFound, HarnessError, HostNotAllowed, NotSupported
from overbooked.histories.operation import Operation
from overbooked.interleavings.race_source import Judgement, RaceSource
from overbooked.interleavings.scheduler.race import Race, RaceFunction, RaceResult
from overbooked.profiles.budget import Budget
from overbooked.system.system import System
from overbooked.targets.adapter import Action, Answer
from overbooked.targets.answer_summary import result, why
from overbooked.targets.client import ClientTimeouts, unknown_answer, weigh
from overbooked.targets.endpoint import endpoint_of
from overbooked.targets.errors import TransportError
from overbooked.verdicts.exercise import Exercise
from overbooked.verdicts.judge import Judge

# Number of log lines of each process that are kept with a burst's finding.
LOG_LINES = 20
Guard = Callable[[str], None]


def loopback_only(host: str) -> None:
    """Reject every host except this machine; the default without an allow-list.

    Raises:
        HostNotAllowed: the host is not a loopback address.
    """
    try:
        local = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        local = False
    if not local:
        raise HostNotAllowed(
            f"a burst was aimed at {host}, which is neither loopback nor allowed; "
            "add it to the allow-list if you may put load on it"
        )


class Bursts:
    """Plays races in bursts against a system; the `bursts` fixture.

    Args:
        system: requests go to its replicas in turn; operations are recorded in its history.
        judge: receives counts, notes and findings.
        budget: determines the default number of rounds; None: each `play` specifies it.
        guard: raises HostNotAllowed for a host that must not receive bursts.
        warm_path: a cheap path of the service, e.g. its health check; any answer is accepted.
        patience: timeouts for an answer.
        explore: makes an explorer for the race of a burst with a finding; None: it is not explored.
        script: replay this schedule of such a race instead of running bursts.
        logs: returns the last log lines of the service's processes, by name.
    """

    def __init__(
        self,
        system: System,
        judge: Judge,
        *,
        budget: Budget | None = None,
        guard: Guard = loopback_only,
        warm_path: str = "/",
        patience: ClientTimeouts | None = None,
        explore: MakeExplore | None = None,
        script: Replayed | None = None,
        logs: Callable[[], Mapping[str, Sequence[str]]] = dict,
    ) -> None:
        self._budget = budget
        self._rounds = 0
        self._explore = explore
        self._script = script
        self._logs = logs
        self._system = system
        self._judge = judge
        endpoints = [endpoint_of(url) for url in system.client.urls]
        for endpoint in endpoints:
            guard(endpoint.host)
        self._volleys = LastByteSync(endpoints, warm_path, patience or ClientTimeouts())
        self._spreads_us: list[float] = []
        self._largest = 0

    async def close(self) -> None:
        """Close every connection."""
        await self._volleys.close()

    # -- one burst -----------------------------------------------------------------------------

    async def burst(self, actions: Sequence[Action]) -> list[Answer]:
        """Release all actions together, and return their answers in the same order.

        The replica of each action and the order of the last bytes are drawn from the seed. An
        answer that does not arrive in time or is incomplete is UNKNOWN.

        If an action takes several requests, those before the last are sent first, concurrently for all
        clients; an action that ends with one of them is not part of the release.

        Raises:
            HarnessError: the connections could not be made ready, so nothing was released.
            TargetError: the adapter cannot read an answer.
        """
        if not actions:
            raise ValueError("a burst needs at least one action")
        lanes = self._system.rng.sample(range(len(actions)), len(actions))
        approaches = list(await asyncio.gather(*map(approach, actions, repeat(self._system.client), lanes)))
        ready = [n for n, one in enumerate(approaches) if one.answer is None]
        requests = [approaches[n].request for n in ready]
        held = await self._volleys.hold(requests, [lanes[n] for n in ready])
        spread_s = self._volleys.release(held)
        waiting = [self._answer(approaches[n], one) for n, one in zip(ready, held, strict=True)]
        heard = dict(zip(ready, await asyncio.gather(*waiting, return_exceptions=True), strict=True))
        answers = [
            _raised(heard[n]) if n in heard else self._ended(approaches[n]) for n in range(len(actions))
        ]
        if ready:
            self._tell(len(ready), spread_s)
            if len(ready) > 1 and any(answer.ok for answer in answers):
                self._judge.exercised(Exercise(Means.BURSTS, 1, actors=len(ready)))
        return answers

    async def _answer(self, approached: Approach, held: PendingRequest) -> Answer:
        try:
            response = await self._volleys.receive(held)
            completed_at = time.monotonic()
            answer = approached.concluded(response)
        except TransportError as error:
            completed_at = time.monotonic()
            answer = unknown_answer(error, since=held.invoked_at)
        return self._recorded(approached.action, answer, held.invoked_at, completed_at)

    def _ended(self, approached: Approach) -> Answer:
        """Record and return the answer of an action that ended before the release."""
        assert approached.answer is not None
        return self._recorded(approached.action, approached.answer, approached.begun_at, approached.ended_at)

    def _recorded(self, action: Action, answer: Answer, invoked_at: float, completed_at: float) -> Answer:
        weigh(answer, invoked_at)
        self._system.recorder.add(
            Operation(
                actor=action.who,
                verb=action.verb,
                args=dict(action.args),
                invoked_at=invoked_at,
                completed_at=completed_at,
                outcome=answer.outcome,
                result=result(answer),
                problem=why(answer),
            )
        )
        return replace(answer, latency_s=completed_at - invoked_at)

    def _tell(self, size: int, spread_s: float) -> None:
        self._judge.tally("bursts")
        self._judge.tally("requests", size)
        self._spreads_us.append(spread_s * 1e6)
        self._largest = max(self._largest, size)
        self._judge.note(
            "simultaneity_us",
            {
                "median": round(statistics.median(self._spreads_us)),
                "worst": round(max(self._spreads_us)),
                "largest_burst": self._largest,
            },
        )

    # -- many rounds ---------------------------------------------------------------------------

    async def play(
        self,
        race: RaceFunction,
        *args: object,
        rounds: int | None = None,
        detects: float | None = None,
    ) -> list[RaceResult]:
        """Play a race in bursts; the race prepares fresh objects for each round.

        Rounds end early once every clause of the scenario is open, because further rounds cannot change
        the verdict.

        Args:
            race: an async generator function that prepares, yields actions and judges.
            args: its arguments.
            rounds: number of rounds, at least 1; default that of the budget, half of it for its largest
                burst.
            detects: the measured probability that one round shows the hardest defect; the probability over
                all rounds is noted as evidence.

        Raises:
            GapFound: a finding of the race outside every judge block.
            InvalidRace: the race yields or judges nothing.
            HarnessError: no request of any round succeeded, so the rounds prove nothing.
        """
        if rounds is not None and rounds < 1:
            raise ValueError(f"a race needs at least one round, got {rounds}")
        source = RaceSource(race, args, self._system.recorder.now)
        try:
            if self._script is not None:
                await self._script.run(race, args, source)
                return []
            self._judge.tally("rounds", 0)
            size = len((await source.peek()).actors)
            results: list[RaceResult] = []
            for number in range(self._rounds_of(size) if rounds is None else rounds):
                if set(self._judge.clauses) <= set(self._judge.open_clauses):
                    break
                results.append(await self._round(number, source, race, args))
            self._require_shown(source, results)
        except HarnessError as error:
            # Set before the error is raised, so that a scenario that catches it cannot close the clause.
            if not isinstance(error, NotSupported):
                for clause in self._judge.clauses:
                    self._judge.doubt(clause, str(error))
            raise
        finally:
            await source.close()
        self._rounds += len(results)
        if detects is not None and results:
            self._judge.note(
                "odds",
                {"per_round": detects, "rounds": self._rounds, "missed": 1 - odds(detects, self._rounds)},
            )
        return results

    async def _round(
        self, number: int, source: RaceSource, race: RaceFunction, args: Sequence[object]
    ) -> RaceResult:
        ready = await source.take()
        answers = await self.burst(_requests(source.name, ready))
        ran = RaceResult(ready, answers, self._system.history_since(ready.begun), number=number)
        self._judge.tally("rounds")
        before = set(self._judge.open_clauses)
        judgement = await source.judge(ran)
        # The clause is opened before the exploration, so that an error there cannot lose the finding.
        outside = self._rule(judgement)
        await self._explore_finding(before, ran, race, args)
        if outside is not None:
            raise outside
        return ran

    def _rule(self, judgement: Judgement) -> GapFound | None:
        """Open the clauses with findings; a finding outside every block opens the undecided ones and is
        returned."""
        outside = None
        for clause, gap in judgement.found:
            if not clause:
                outside = gap
            for each in (clause,) if clause else self._judge.unruled:
                with self._judge(each):
                    raise gap
        return outside

    def _rounds_of(self, size: int) -> int:
        """Return the default number of rounds; the largest burst needs half, as each round detects more."""
        if self._budget is None:
            raise ValueError("wanted a number of rounds (rounds=...), because there is no budget")
        return max(1, self._budget.rounds // 2) if size >= self._budget.burst else self._budget.rounds

    def _require_shown(self, source: RaceSource, results: Sequence[RaceResult]) -> None:
        """Close the judged clauses; raise HarnessError if the rounds prove nothing."""
        if not results:
            return
        if not self._judge.open_clauses and not any(a.ok for ran in results for a in ran.answers):
            requests = sum(len(ran.answers) for ran in results)
            why = (
                f"no request succeeded in any of {len(results)} rounds ({requests} requests), so nothing was "
                "raced for; check the adapter, and whether the place is free when a round begins"
            )
            raise HarnessError(why)
        for clause in self._judge.clauses:
            if clause in source.judged:
                with self._judge(clause):
                    pass

    async def _explore_finding(
        self, before: Collection[str], ran: RaceResult, race: RaceFunction, args: Sequence[object]
    ) -> None:
        """Add this round to the evidence of each clause that it opened, and search for a schedule."""
        opened = [clause for clause in self._judge.open_clauses if clause not in before]
        if not opened:
            return
        burst = {
            "burst": {
                "round": ran.number + 1,
                "size": len(ran.answers),
                "answers": dict(Counter(_in_short(answer) for answer in ran.answers)),
                "log": {part: list(lines)[-LOG_LINES:] for part, lines in self._logs().items()},
            }
        }
        for clause in opened:
            self._judge.explain(clause, burst)
        if self._explore is None:
            why = {"no schedule": "no explorer is available for this race"}
            found = [Explanation(clause, why) for clause in opened]
        else:
            scenario = self._judge.scenario
            found = await explore_pairs(race, args, ran.race.actors, opened, scenario, self._explore)
        for each in found:
            self._judge.explain(each.clause, each.details, each.recording)


def _requests(name: str, race: Race) -> list[Action]:
    """Return the actions of a race; raise HarnessError if an actor is not an action."""
    work = next((actor for actor in race.actors if not isinstance(actor.does, Action)), None)
    if work is not None:
        raise HarnessError(
            f"{name} cannot be played in bursts: {work.name} ({work.verb}) is work of several steps, and a "
            "burst releases single requests; explore the race instead"
        )
    return [actor.does for actor in race.actors if isinstance(actor.does, Action)]


def _in_short(answer: Answer) -> str:
    return f"{answer.outcome.value} {answer.status}" if answer.status else answer.outcome.value


def _raised(answer: Answer | BaseException) -> Answer:
    if isinstance(answer, BaseException):
        raise answer
    return answer
