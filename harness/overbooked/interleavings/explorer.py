"""Explores races of a scenario statement by statement; the `explore` fixture.

async def race() -> Race:
    slot = await system.open_slot(capacity=1)
    return Race([ana.books(slot), ben.books(slot)], always=[one_wins], slots=[slot])

await explore.interleavings(race)
"""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from dataclasses import replace
from functools import partial
from inspect import isawaitable

from overbooked.errors import GapFound
from overbooked.interleavings.allowance import Ask, endless
from overbooked.interleavings.anomalies import Anomaly, name_anomaly, phenomenon_of
from overbooked.interleavings.exploration import Exploration, NothingConcluded
from overbooked.interleavings.footprinter import Footprinting
from overbooked.interleavings.reporting import Script, Story, Tell, Watch, plain
from overbooked.interleavings.results import Explored, Violation
from overbooked.interleavings.scheduler.controller import Scheduled
from overbooked.interleavings.scheduler.race import MakeRace, Race, Ran
from overbooked.interleavings.scheduler.runner import Stage
from overbooked.interleavings.scheduler.strategy import Chooser, following
from overbooked.interleavings.scheduler.timeouts import Experience
from overbooked.interleavings.shrinker import Spare
from overbooked.interleavings.step_by_step import walked
from overbooked.profiles.budget import Budget
from overbooked.targets.system import System
from overbooked.traces.made_names import MadeNames
from overbooked.traces.trace import first_difference
from overbooked.verdicts.judge import Judge

# What a schedule that is run to make a violation smaller may take on average, so that it ends in time.
SECONDS_EACH = 0.25


class Explore:
    """Explores races and runs schedules; closed by whoever made it.

    Args:
        system: the system under test, bound to the stage's stack.
        judge: rules on the scenario's clauses and keeps counts and notes.
        budget: how many schedules, and how many preemptions for how many actors.
        stage: runs schedules.
        footprinting: what each boundary reads and writes.
        seed: of the order in which schedules are run; never of which.
        shard: (i, n), from 1: explore only the i-th of n disjoint parts of every race.
        tell: draws lanes, writes a bundle; by default steps are shown as they are.
        script: run this one schedule, of the race it names, instead of exploring.
        watch: told of each schedule as it is run, with the name of its race.
        made: takes the names that a service makes in a race out of traces.
        ask: for more time, where a race has more schedules than the budget foresees.
    """

    def __init__(
        self,
        system: System,
        judge: Judge,
        budget: Budget,
        stage: Stage,
        footprinting: Footprinting,
        *,
        seed: int = 0,
        shard: tuple[int, int] = (1, 1),
        tell: Tell = plain,
        script: Script | None = None,
        watch: Watch | None = None,
        ask: Ask = endless,
        made: MadeNames | None = None,
    ) -> None:
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
        self._warm: tuple[MakeRace, Exploration] | None = None
        self._performed = False

    async def close(self) -> None:
        """Let go of every connection and put settings back."""
        await self.stage.close()

    async def interleavings(
        self,
        make_race: MakeRace,
        *,
        clause: str | None = None,
        name: str = "",
        preemptions: int | None = None,
        reduce: bool = True,
        schedules: int | None = None,
    ) -> Explored:
        """Run every schedule of a race within the bound and rule on a clause.

        The first schedule under which a check finds something ends it; the same is then looked for
        with as few preemptions as can be, named, and reported.

        Args:
            make_race: prepares a race on things of its own; called once a schedule.
            clause: what is ruled on; default the scenario's only clause.
            name: of the race, for notes and bundles; default the verbs of its actors.
            preemptions: how often an actor is stopped that could go on; default as the budget says
                for so many actors.
            reduce: leave out schedules that differ from one that was run in nothing that matters.
            schedules: at most; default as the budget says.

        Raises:
            NothingConcluded: schedules were left over, too few were run to mean anything, or one
                could not be run undisturbed.
        """
        clause = clause or self._only_clause()
        self._judge.tally("schedules" if self._shard[0] == 1 else "scouts", 0)
        await self._footprinting.ready()
        await self._made.ready()
        first = await make_race()
        actors = len(first.cast)
        title = name or " and ".join(actor.verb for actor in first.cast)
        exploration = Exploration(
            _Player(self._system, self.stage, make_race, first, self._made),
            self._check,
            self._footprinting.steps,
            actors=actors,
            preemptions=self._budget.preemptions(actors) if preemptions is None else preemptions,
            reduce=reduce,
            schedules=schedules or self._budget.schedules,
            seed=self._seed,
            shard=self._shard,
            spare=Spare(self._budget.minimising, self._budget.minimising * SECONDS_EACH),
            told=partial(self._count, title),
            ask=self._ask,
        )
        explored = exploration.explored
        if self._script is not None:
            return await self._perform(self._script, title, clause, exploration)
        try:
            await exploration.run()
        finally:
            self._note(title, explored)
            self._judge.exercised(explored.as_exercise(title), [clause])
            if self._shard[0] > 1:
                self._judge.tally("scouts", explored.scouts)
        if explored.violation is None:
            try:
                _was_enough(title, explored)
            except NothingConcluded as error:
                self._judge.doubt(clause, str(error))
                raise
        self._rule(title, clause, explored)
        return explored

    async def _perform(self, script: Script, title: str, clause: str, exploration: Exploration) -> Explored:
        explored = exploration.explored
        if self._performed or script.race not in {"", title}:
            return explored
        self._performed = True
        await exploration.warm_up()
        schedule = tuple(script.schedule)
        if script.walk is not None:
            schedule = await walked(exploration.follow, schedule, script.walk)
        await exploration.only(following(schedule), schedule)
        self._note(title, explored)
        self._judge.exercised(replace(explored.as_exercise(title), sampled="one order"), [clause])
        assert explored.last is not None
        if parting := first_difference(script.shape, explored.last.trace.shape) if script.shape else "":
            raise NothingConcluded(f"{title}: the service no longer does what it did; {parting}")
        self._rule(title, clause, explored)
        return explored

    def _note(self, title: str, explored: Explored) -> None:
        self._notes.append({"race": title, **explored.as_note()})
        self._judge.note("interleavings", self._notes)

    def _rule(self, title: str, clause: str, explored: Explored) -> None:
        with self._judge(clause):
            if explored.violation is not None:
                raise self._found(title, clause, explored.violation, explored.bound)

    async def run_schedule(
        self, make_race: MakeRace, schedule: Sequence[int], *, choose: Chooser | None = None
    ) -> Ran:
        """Run exactly one schedule and nothing else; its checks are left to the caller.

        Args:
            schedule: the actor of each step; where it ends, actors go on without preemptions.
            choose: decides instead, e.g. a person at a terminal.

        Raises:
            NothingConcluded: it could not be run undisturbed.
            ScheduleGone: it no longer applies.
        """
        if self._warm is None or self._warm[0] is not make_race:
            await self._footprinting.ready()
            await self._made.ready()
            first = await make_race()
            exploration = Exploration(
                _Player(self._system, self.stage, make_race, first, self._made),
                self._check,
                self._footprinting.steps,
                actors=len(first.cast),
                preemptions=None,
            )
            await exploration.warm_up()
            self._warm = make_race, exploration
        return await self._warm[1].follow(choose or following(schedule), schedule)

    # -- one schedule --------------------------------------------------------------------------

    async def _check(self, ran: Ran) -> GapFound | None:
        for check in ran.race.always:
            try:
                checked = check(ran)
                if isawaitable(checked):
                    await checked
            except GapFound as found:
                found.details.setdefault("check", getattr(check, "__name__", ""))
                return found
        return None

    def _count(self, race: str, ran: Ran) -> None:
        self._judge.tally("schedules")
        self._judge.tally("boundaries", len(ran.trace.steps))
        if self._watch is not None:
            self._watch(race, ran.trace)

    # -- what is said of it --------------------------------------------------------------------

    def _only_clause(self) -> str:
        if len(self._judge.clauses) != 1:
            raise ValueError(
                f"{self._judge.scenario} judges {', '.join(self._judge.clauses)}: "
                "say which of them this exploration is for (clause=...)"
            )
        return self._judge.clauses[0]

    def _found(self, title: str, clause: str, violation: Violation, bound: int | None) -> GapFound:
        found, trace = violation.found, violation.ran.trace
        touched = self._footprinting.of(violation.scheduled.steps)
        anomaly = name_anomaly(trace.steps, touched)
        phenomenon = phenomenon_of(trace.steps, touched)
        left = self._tell(Story(clause, title, found, trace, anomaly, violation.number, bound))
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
        )


class _Player:
    """Makes a fresh race and runs one schedule of it; the first race has been made already."""

    def __init__(
        self, system: System, stage: Stage, make_race: MakeRace, first: Race, made: MadeNames
    ) -> None:
        self._system = system
        self._stage = stage
        self._make_race = make_race
        self._first: Race | None = first
        self._made = made

    def __call__(
        self, choose: Chooser, *, experience: Experience, learning: bool = False
    ) -> Awaitable[tuple[Ran, Scheduled]]:
        return self._play(choose, experience, learning)

    async def _play(self, choose: Chooser, experience: Experience, learning: bool) -> tuple[Ran, Scheduled]:
        begun = self._system.recorder.now()
        race, self._first = self._first or await self._make_race(), None
        ran, scheduled = await self._stage.run(
            race, choose, begun=begun, experience=experience, learning=learning
        )
        trace = await self._made.renumbered(ran.trace)
        return replace(ran, trace=trace), replace(scheduled, trace=trace)


def _was_enough(title: str, explored: Explored) -> None:
    """Raise NothingConcluded where nothing was found and nothing could have been."""
    if not explored.exhausted:
        raise NothingConcluded(
            f"{title}: {_how_far(explored)} with at most {explored.bound} preemptions were run, in random "
            "order within each number of preemptions, and no other strategy went on: "
            f"{_why_no_further(explored)}"
        )
    if explored.shard[0] > 1:
        return
    if (
        explored.shard == (1, 1)
        and explored.actors > 1
        and explored.schedules < 2
        and explored.longest > explored.actors
    ):
        raise NothingConcluded(
            f"{title}: one schedule of {explored.longest} boundaries is no exploration; "
            "do these actors share anything?"
        )
    if explored.boundaries == 0:
        raise NothingConcluded(f"{title}: no actor crossed a boundary, so there was nothing to order")
    if not explored.wrote:
        raise NothingConcluded(
            f"{title}: nobody wrote anything over a link, in any of {explored.schedules} schedules; what the "
            "race is about is kept where no link leads (in the process, in a file, in another database)"
        )
    if not explored.succeeded:
        raise NothingConcluded(
            f"{title}: no request succeeded in any of {explored.schedules} schedules, so nothing was raced "
            "for; check the adapter, and whether the place is free when the race begins"
        )


def _how_far(explored: Explored) -> str:
    whole = explored.schedules + explored.waiting
    return (
        f"{explored.schedules} of about {whole} schedules"
        if explored.waiting
        else f"{explored.schedules} schedules"
    )


def _why_no_further(explored: Explored) -> str:
    if explored.out_of_time:
        return (
            "there was no time for more; raise [profiles] scenario_s or `scenario_timeout_s`, or divide the "
            "race by --shard"
        )
    return "; ".join(explored.left) or "[budget] schedules is too small"


def _times(n: int, what: str) -> str:
    return f"{n} {what}" if n == 1 else f"{n} {what}s"
