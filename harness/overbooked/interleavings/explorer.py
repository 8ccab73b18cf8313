"""Explores races of a scenario statement by statement; the `explorer` fixture.

`await explorer.explore(last_place, system, judge, crowd)` runs the race in every order of its statements
within a bound; `overbooked.interleavings.scheduler.race` documents how to write a race.
"""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from dataclasses import replace
from functools import partial

from overbooked.errors import GapFound, HarnessError, NotSupported
from overbooked.interleavings.allowance import Ask, endless
from overbooked.interleavings.anomalies import Anomaly, name_anomaly, phenomenon_of
from overbooked.interleavings.conclusive import require_conclusive
from overbooked.interleavings.exploration import Exploration, Inconclusive
from overbooked.interleavings.footprinter import Footprinter
from overbooked.interleavings.race_source import Judgement, RaceSource
from overbooked.interleavings.reporting import FixedSchedule, Reporter, ScheduleCounterexample, Watch, plain
from overbooked.interleavings.results import ExplorationResult, Violation
from overbooked.interleavings.scheduler.controller import ScheduleRun
from overbooked.interleavings.scheduler.race import RaceFunction, RaceResult
from overbooked.interleavings.scheduler.runner import ScheduleRunner
from overbooked.interleavings.scheduler.strategy import Strategy
from overbooked.interleavings.scheduler.timeouts import LearnedBehaviour
from overbooked.interleavings.shrinker import ShrinkBudget
from overbooked.interleavings.strategies.interactive import step_through
from overbooked.interleavings.strategies.replay import Replay
from overbooked.interleavings.strategies.sampling import Sampling
from overbooked.profiles.budget import Budget
from overbooked.system.system import System
from overbooked.traces.made_names import MadeNames
from overbooked.traces.trace import first_difference
from overbooked.verdicts.judge import Judge

# Average duration of one schedule during shrinking, in seconds; the time budget is derived from it.
SECONDS_EACH = 0.25


class Explorer:
    """Explores races and runs schedules; the caller closes it.

    Args:
        system: the system under test, bound to the runner's stack.
        judge: rules on the scenario's clauses and keeps counts and notes.
        budget: the numbers of schedules, and of preemptions by number of actors.
        stage: runs schedules.
        footprinting: derives what each boundary reads and writes.
        seed: determines the order of schedules; a search runs the same ones for every seed.
        shard: (i, n), from 1: explore only the i-th of n disjoint parts of every race.
        tell: reports a finding (lanes, bundle); the default lists the steps as text.
        script: the only schedule to run, of the race it names, instead of exploring.
        watch: called for each schedule that was run, with the name of its race.
        made: numbers the names that the service generates during a race, in traces.
        ask: requests more time if a race has more schedules than the time budget allows.
        sampling: draw schedules by this strategy instead of searching all of them.
    """

    def __init__(
        self,
        system: System,
        judge: Judge,
        budget: Budget,
        stage: ScheduleRunner,
        footprinting: Footprinter,
        *,
        seed: int = 0,
        shard: tuple[int, int] = (1, 1),
        tell: Reporter = plain,
        script: FixedSchedule | None = None,
        watch: Watch | None = None,
        ask: Ask = endless,
        made: MadeNames | None = None,
        sampling: Sampling | None = None,
    ) -> None:
        self._sampling = sampling
        self._system = system
        self._judge = judge
        self._budget = budget
        self.stage = stage
        self._footprinting = footprinting
        self._seed = seed
        self._shard = shard
        self._tell = tell
        self._script = script
        self._watch = watch
        self._ask = ask
        self._made = made or MadeNames(None)
        self._notes: list[dict[str, object]] = []
        self._warm: tuple[tuple[object, ...], RaceSource, Exploration] | None = None
        self._performed = False

    async def close(self) -> None:
        """Close every connection and restore settings."""
        if self._warm is not None:
            await self._warm[1].close()
        await self.stage.close()

    async def explore(
        self,
        race: RaceFunction,
        *args: object,
        clause: str | None = None,
        name: str = "",
        preemptions: int | None = None,
        reduce: bool = True,
        schedules: int | None = None,
        places: Sequence[int] | None = None,
        family: tuple[str, int] = ("", 0),
    ) -> ExplorationResult:
        """Run every schedule of a race within the bound and rule on the clauses that it judges.

        The first schedule in which the race finds something ends the exploration. It is shrunk to as few
        preemptions as possible, its anomaly is named, and it is reported.

        Args:
            race: an async generator function that prepares, yields actions and judges.
            args: its arguments.
            clause: the only clause to rule on; default all clauses that the scenario is bound to.
            name: the name of the race, for notes and bundles; default the verbs of its actors.
            preemptions: the bound; default that of the budget for this number of actors.
            reduce: skip schedules that are equivalent to one that was run.
            schedules: maximum number; default that of the budget.
            places: explore only the actors at these indexes of the yielded actions.
            family: name and number of the races from which this one was taken, for the verdict's line.

        Raises:
            Inconclusive: schedules were left over, too few were run, or one could not be run undisturbed.
            InvalidRace: the race function yields or judges nothing.
        """
        clauses = (clause,) if clause else self._judge.clauses
        self._judge.tally("schedules" if self._shard[0] == 1 else "scouts", 0)
        await self._footprinting.ready()
        await self._made.ready()
        source = RaceSource(race, args, self._system.recorder.now, places=places)
        try:
            first = await source.peek()
            actors = len(first.actors)
            title = name or " and ".join(actor.verb for actor in first.actors)
            checker = _Checker(source, clauses)
            bound = self._budget.preemptions(actors) if preemptions is None else preemptions
            exploration = Exploration(
                _RaceRunner(self.stage, source, self._made),
                checker,
                self._footprinting.steps,
                actors=actors,
                preemptions=None if self._sampling is not None else bound,
                reduce=reduce,
                schedules=self._budget.schedules if schedules is None else schedules,
                seed=self._seed,
                shard=self._shard,
                spare=ShrinkBudget(self._budget.minimising, self._budget.minimising * SECONDS_EACH),
                told=partial(self._count, title),
                ask=self._ask,
            )
            if self._script is not None:
                return await self._perform(self._script, title, checker, exploration)
            return await self._explore(title, checker, exploration, family)
        except HarnessError as error:
            # Set before the error is raised, so that a scenario that catches it cannot close the clause.
            if not isinstance(error, NotSupported):
                for each in clauses:
                    self._judge.doubt(each, str(error))
            raise
        finally:
            await source.close()

    async def _explore(
        self, title: str, checker: _Checker, exploration: Exploration, family: tuple[str, int]
    ) -> ExplorationResult:
        explored = exploration.explored
        try:
            if self._sampling is None:
                await exploration.run()
            else:
                await exploration.sample(self._sampling)
        finally:
            self._note(title, explored)
            exercise = replace(explored.as_exercise(title), family=family[0], family_size=family[1])
            self._judge.exercised(exercise, checker.clauses)
            if self._shard[0] > 1:
                self._judge.tally("scouts", explored.scouts)
        if explored.violation is None:
            self._require(title, checker, explored)
        self._rule(title, checker, explored)
        return explored

    def _require(self, title: str, checker: _Checker, explored: ExplorationResult) -> None:
        """Raise Inconclusive if an exploration without a finding is incomplete or judged nothing."""
        require_conclusive(title, explored)
        if explored.schedules and (why := checker.source.unjudged(checker.clauses)):
            raise Inconclusive(f"{title}: {why}")

    async def _perform(
        self, script: FixedSchedule, title: str, checker: _Checker, exploration: Exploration
    ) -> ExplorationResult:
        explored = exploration.explored
        if self._performed or script.race not in {"", title, checker.source.name}:
            return explored
        self._performed = True
        await exploration.warm_up()
        schedule = tuple(script.schedule)
        if script.walk is not None:
            schedule = await step_through(exploration.follow, schedule, script.walk)
        await exploration.only(Replay(schedule), schedule)
        self._note(title, explored)
        exercise = replace(explored.as_exercise(title), sampled="one order")
        self._judge.exercised(exercise, checker.clauses)
        assert explored.last is not None
        if parting := first_difference(script.shape, explored.last.trace.shape) if script.shape else "":
            raise Inconclusive(
                f"{title}: the service behaved differently than in earlier schedules; {parting}"
            )
        self._rule(title, checker, explored)
        return explored

    def _note(self, title: str, explored: ExplorationResult) -> None:
        self._notes.append({"race": title, **explored.as_note()})
        self._judge.note("interleavings", self._notes)

    def _rule(self, title: str, checker: _Checker, explored: ExplorationResult) -> None:
        """Open the clauses that the violation opens; without a violation, close the judged clauses."""
        violation = explored.violation
        if violation is None:
            for clause in checker.clauses:
                if clause in checker.source.judged:
                    with self._judge(clause):
                        pass
            return
        for clause, found in checker.judgement_of(violation.ran).of(checker.clauses).items():
            with self._judge(clause):
                raise self._found(title, clause, replace(violation, found=found), explored.bound)

    async def run_schedule(
        self,
        race: RaceFunction,
        *args: object,
        schedule: Sequence[int] = (),
        choose: Strategy | None = None,
    ) -> RaceResult:
        """Run exactly one schedule; its findings neither close nor open a clause.

        Args:
            race: an async generator function; successive calls with the same function continue it.
            args: its arguments.
            schedule: the actor of each step; after its end actors continue without preemptions.
            choose: a strategy to use instead, e.g. an interactive one.

        Raises:
            Inconclusive: the schedule could not be run undisturbed, or no longer applies.
        """
        if self._warm is None or self._warm[0] != (race, *args):
            await self._footprinting.ready()
            await self._made.ready()
            source = RaceSource(race, args, self._system.recorder.now)
            first = await source.peek()
            exploration = Exploration(
                _RaceRunner(self.stage, source, self._made),
                _Checker(source, self._judge.clauses),
                self._footprinting.steps,
                actors=len(first.actors),
                preemptions=None,
            )
            await exploration.warm_up()
            self._warm = (race, *args), source, exploration
        return await self._warm[2].follow(choose or Replay(schedule), schedule)

    def _count(self, race: str, ran: RaceResult) -> None:
        self._judge.tally("schedules")
        self._judge.tally("boundaries", ran.trace.boundaries)
        if self._watch is not None:
            self._watch(race, ran.trace)

    def _found(self, title: str, clause: str, violation: Violation, bound: int | None) -> GapFound:
        found, trace = violation.found, violation.ran.trace
        touched = self._footprinting.of(violation.scheduled.steps)
        anomaly = name_anomaly(trace.steps, touched)
        phenomenon = phenomenon_of(trace.steps, touched)
        left = self._tell(
            ScheduleCounterexample(clause, title, found, trace, anomaly, violation.number, bound)
        )
        which = f"schedule {violation.number}, " if violation.number else ""
        needed = "" if anomaly is Anomaly.NO_RACE else f"{_times(trace.preemptions, 'preemption')}: "
        return GapFound(
            found.what,
            expected=found.expected,
            observed=f"{found.observed}, {which}{needed}{anomaly.value}",
            operations=[*left.lines, *found.operations],
            details={
                **found.details,
                "race": title,
                "anomaly": anomaly.value,
                **({"phenomenon": phenomenon.value} if phenomenon else {}),
                "schedule": list(trace.schedule),
                "preemptions": trace.preemptions,
                **({"minimised": violation.minimised.as_dict()} if violation.minimised else {}),
                **left.details,
            },
            recording=left.recording,
        )


class _Checker:
    """Lets the race judge a result, and keeps the findings.

    Args:
        source: the source of the race.
        clauses: the clauses whose findings count.
    """

    def __init__(self, source: RaceSource, clauses: Sequence[str]) -> None:
        self.source = source
        self.clauses = tuple(clauses)
        self._broken: list[tuple[RaceResult, Judgement]] = []

    async def __call__(self, ran: RaceResult) -> GapFound | None:
        judgement = await self.source.judge(ran)
        opened = judgement.of(self.clauses)
        if not opened:
            return None
        self._broken.append((ran, judgement))
        found = next(iter(opened.values()))
        found.details.setdefault("check", self.source.name)
        return found

    def judgement_of(self, ran: RaceResult) -> Judgement:
        """Return the judgement of a result with a finding."""
        return next(judgement for known, judgement in self._broken if known is ran)


class _RaceRunner:
    """Prepares a fresh race and runs one schedule of it; an unjudged previous result is skipped."""

    def __init__(self, stage: ScheduleRunner, source: RaceSource, made: MadeNames) -> None:
        self._stage = stage
        self._source = source
        self._made = made
        self._actors = 0
        self._latest: RaceResult | None = None

    def __call__(
        self, choose: Strategy, *, experience: LearnedBehaviour, learning: bool = False
    ) -> Awaitable[tuple[RaceResult, ScheduleRun]]:
        return self._play(choose, experience, learning)

    async def _play(
        self, choose: Strategy, experience: LearnedBehaviour, learning: bool
    ) -> tuple[RaceResult, ScheduleRun]:
        if self._latest is not None and self._source.awaits(self._latest.race):
            await self._source.skip(self._latest)
        self._latest = None
        race = await self._source.take()
        self._actors = self._actors or len(race.actors)
        if len(race.actors) != self._actors:
            raise Inconclusive(
                f"{self._source.name} yields {len(race.actors)} actors after {self._actors} before; every "
                "schedule of a race needs the same actors"
            )
        ran, scheduled = await self._stage.run(race, choose, experience=experience, learning=learning)
        trace = await self._made.renumbered(ran.trace)
        self._latest = replace(ran, trace=trace)
        return self._latest, replace(scheduled, trace=trace)


def _times(n: int, what: str) -> str:
    return f"{n} {what}" if n == 1 else f"{n} {what}s"
