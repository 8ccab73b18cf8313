"""Bursts: requests of many clients that become whole in the same instant.

Connections are opened and warmed first; each request is sent but for its last byte; then, at a
barrier, all last bytes leave together. What remains between first and last is measured and told.
A burst complements the gate and is never the only proof: its verdict rests on enough rounds.
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
from overbooked.bursts.burst_races import BurstRace, Check, MakeExplore, MakeRound, Replayed, explored
from overbooked.bursts.last_byte_sync import Held, Volleys, door_of
from overbooked.bursts.odds import Played, odds
from overbooked.catalog.model import Means
from overbooked.errors import GapFound, HarnessError, HostNotAllowed
from overbooked.histories.operation import Operation
from overbooked.targets.adapter import Action, Answer
from overbooked.targets.answer_summary import result_of, why
from overbooked.targets.client import Patience, unanswered, weigh
from overbooked.targets.errors import TransportFailed
from overbooked.targets.system import System
from overbooked.verdicts.exercise import Exercise
from overbooked.verdicts.judge import Judge

# Of each process, with a burst that has found something.
LOG_LINES = 20
Guard = Callable[[str], None]


def loopback_only(host: str) -> None:
    """The rule where no allow-list is given.

    Raises:
        HostNotAllowed: the host is not this machine.
    """
    try:
        local = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        local = False
    if not local:
        raise HostNotAllowed(
            f"a burst was aimed at {host}, which is neither loopback nor allowed; "
            "name it in the allow-list if it is yours to burden"
        )


class Races:
    """Plays races against a system; the `races` fixture.

    Args:
        system: its replicas take turns; operations go into its history.
        judge: takes counts and notes.
        guard: raises HostNotAllowed for a host that must not be burdened.
        warm_path: a path that costs the service nothing, e.g. its health; any answer will do.
        patience: when to give an answer up.
        explore: makes what explores the race of a burst that has found something; None: nothing can.
        script: a schedule of such a race is to be run again, in place of every burst.
        logs: the last lines of the service's processes, by name.
    """

    def __init__(
        self,
        system: System,
        judge: Judge,
        *,
        guard: Guard = loopback_only,
        warm_path: str = "/",
        patience: Patience | None = None,
        explore: MakeExplore | None = None,
        script: Replayed | None = None,
        logs: Callable[[], Mapping[str, Sequence[str]]] = dict,
    ) -> None:
        self._explore = explore
        self._script = script
        self._logs = logs
        self._system = system
        self._judge = judge
        doors = [door_of(url) for url in system.client.urls]
        for door in doors:
            guard(door.host)
        self._volleys = Volleys(doors, warm_path, patience or Patience())
        self._spreads_us: list[float] = []
        self._largest = 0

    async def close(self) -> None:
        """Close every connection."""
        await self._volleys.close()

    # -- one burst -----------------------------------------------------------------------------

    async def burst(self, actions: Sequence[Action]) -> list[Answer]:
        """Release all actions together; their answers, in the same order.

        Which replica serves which action, and which byte leaves first, is drawn from the seed. An
        answer that does not come in time, or breaks off, is UNKNOWN.

        Of an action that takes several requests, those before the last are done first, one client
        beside the other; an action that ends with one of them takes no part in the release.

        Raises:
            HarnessError: the connections could not be made ready, so nothing was released.
            TargetFailed: the adapter cannot read an answer.
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

    async def _answer(self, approached: Approach, held: Held) -> Answer:
        try:
            response = await self._volleys.receive(held)
            completed_at = time.monotonic()
            answer = approached.concluded(response)
        except TransportFailed as error:
            completed_at = time.monotonic()
            answer = unanswered(error, since=held.invoked_at)
        return self._recorded(approached.action, answer, held.invoked_at, completed_at)

    def _ended(self, approached: Approach) -> Answer:
        """An action that was over before the release."""
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
                result=result_of(answer),
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

    async def rounds(
        self, n: int, make_round: MakeRound, check: Check, *, detects: float | None = None
    ) -> list[Played]:
        """Play `n` rounds, each on what `make_round` prepares for it, and check each.

        It stops early when the judge has found every clause of the scenario open: nothing further
        could be learnt.

        Args:
            n: how many, at least 1.
            make_round: prepares a round, given its number from 0; its slots are its own.
            check: raises GapFound, or judges its clauses itself.
            detects: the measured chance that one round shows the hardest of the defects this is to
                find; the odds over all rounds are noted as evidence.

        Raises:
            GapFound: what `check` found.
            HarnessError: no request of any round succeeded, so nothing was raced for.
        """
        if n < 1:
            raise ValueError(f"a race needs at least one round, got {n}")
        played: list[Played] = []
        if self._script is not None:
            await self._script.run(make_round, check)
            return played
        self._judge.tally("rounds", 0)
        for number in range(n):
            begun = self._system.recorder.now()
            made = await make_round(number)
            answers = await self.burst(made.actions)
            result = Played(number, made, answers, self._system.history_since(begun))
            played.append(result)
            self._judge.tally("rounds")
            before = set(self._judge.open_clauses)
            try:
                checked = check(result)
                if checked is not None:
                    await checked
            except GapFound as gap:
                # Ruled on before it is looked into: nothing that happens then may lose it.
                for clause in self._judge.unruled:
                    with self._judge(clause):
                        raise gap
                await self._look_into(before, result, make_round, check)
                raise
            await self._look_into(before, result, make_round, check)
            if set(self._judge.clauses) <= set(self._judge.open_clauses):
                break
        if not self._judge.open_clauses and not any(a.ok for one in played for a in one.answers):
            requests = sum(len(one.answers) for one in played)
            raise HarnessError(
                f"no request succeeded in any of {len(played)} rounds ({requests} requests), so nothing was "
                "raced for; check the adapter, and whether the place is free when a round begins"
            )
        if detects is not None:
            self._judge.note(
                "odds",
                {"per_round": detects, "rounds": len(played), "missed": 1 - odds(detects, len(played))},
            )
        return played

    async def _look_into(
        self, before: Collection[str], played: Played, make_round: MakeRound, check: Check
    ) -> None:
        """Tell of each clause that this round has opened what the burst was, and look for a schedule."""
        opened = [clause for clause in self._judge.open_clauses if clause not in before]
        if not opened:
            return
        said = {
            "burst": {
                "round": played.number + 1,
                "size": len(played.answers),
                "answers": dict(Counter(_in_short(answer) for answer in played.answers)),
                "log": {part: list(lines)[-LOG_LINES:] for part, lines in self._logs().items()},
            }
        }
        for clause in opened:
            self._judge.explain(clause, said)
        race = BurstRace(self._judge, make_round, check, played.number, opened)
        if self._explore is None:
            told = [(clause, {"no schedule": "nothing here can explore a race"}) for clause in opened]
        else:
            told = list(await explored(race, played.round.actions, self._explore))
        for clause, details in told:
            self._judge.explain(clause, details)


def _in_short(answer: Answer) -> str:
    return f"{answer.outcome.value} {answer.status}" if answer.status else answer.outcome.value


def _raised(answer: Answer | BaseException) -> Answer:
    if isinstance(answer, BaseException):
        raise answer
    return answer
