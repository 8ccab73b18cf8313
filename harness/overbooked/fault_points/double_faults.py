"""Faults upon faults: a run is struck, and once more at a boundary of its recovery.

Each first fault that leaves something to recover is recorded recovering, in each way that a journey can
be taken up again; then it is run once for every boundary of that recovery, with one kind of fault there.
The same kinds are taken in turns, so that every boundary of a sample of recoveries meets some kind.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import cycle

from overbooked.fault_points.gatekeeper import Blow, Turn
from overbooked.fault_points.journey import Journey
from overbooked.fault_points.points import Crossing, FaultPlan, points_of, spread, why_not
from overbooked.fault_points.results import Sweep
from overbooked.fault_points.sweeper import BATCH, Run, Sweeper
from overbooked.wire.gate.boundary import FaultKind

FIRST_KINDS = frozenset(
    {FaultKind.ERROR, FaultKind.RESET_BEFORE, FaultKind.ANSWER_LOST, FaultKind.KILL_AFTER}
)
THEN_KINDS: Sequence[FaultKind] = (FaultKind.ANSWER_LOST, FaultKind.ERROR, FaultKind.RESET_BEFORE)
# A sample takes so many second faults for each recovery it records: recording costs a run, too.
PER_RECOVERY = 5
_ONCE_ONLY = "came in one of three recoveries from this fault, as what a driver asks on a new connection does"

Noise = Counter[tuple[str, str]]


class SecondOrder:
    """Second-order faults of one journey.

    Args:
        sweeper: engaged, and done with the first order.
    """

    def __init__(self, sweeper: Sweeper, journey: Journey, sweep: Sweep) -> None:
        self._sweeper = sweeper
        self._journey = journey
        self._sweep = sweep
        self._noise: dict[str, Noise] = {}
        self._patience = cycle((False, True))

    async def go(self, quota: int | None) -> None:
        """Strike `quota` recoveries, spread evenly over first faults and over the boundaries of each;
        None: all."""
        firsts = sorted(
            (plan for plan in self._sweep.undecided if plan.kind in FIRST_KINDS),
            key=lambda plan: (plan.point.ordinal, plan.kind.value),
        )
        pairs = [(way, plan) for way in self._journey.recoveries for plan in firsts]
        recorded = spread(pairs, None if quota is None else -(-quota // PER_RECOVERY), self._sweeper.rng)
        kinds = cycle(THEN_KINDS)
        left = quota
        runs: list[Run] = []
        for n, (way, plan) in enumerate(recorded):
            share = None if left is None else -(-left // (len(recorded) - n))
            first, possible = await self._recorded(plan, way, kinds)
            runs.append(first)
            chosen = spread(possible, share, self._sweeper.rng)
            spare = [one for one in possible if one not in chosen]
            for then in chosen:
                runs += await self._struck(then, way, spare)
            left = None if left is None else left - len(chosen)
            # What one way of recovering left behind is not for another to meet.
            if len(runs) >= BATCH or n + 1 == len(recorded) or recorded[n + 1][0] != way:
                await self._sweeper.judged(self._journey, self._sweep, runs)
                runs = []

    async def one(self, plan: FaultPlan) -> None:
        """Strike just this once more; the way of its recovery is the step of its second point."""
        assert plan.second is not None
        runs = await self._struck(plan, plan.second.step, [])
        await self._sweeper.judged(self._journey, self._sweep, runs)

    async def _recorded(
        self, plan: FaultPlan, way: str, kinds: Iterator[FaultKind]
    ) -> tuple[Run, list[FaultPlan]]:
        """Record the recovery from a first fault; the second faults that are possible in it."""
        if way not in self._noise:
            self._noise[way] = await self._hum(way)
        run = await self._first(plan)
        turn = await self._recovered(run, way, None)
        # It is judged as well, but was entered when the first order was swept.
        run.plan = None
        crossings = [Crossing(one.boundary, way, one.reply) for one in turn.crossings]
        plans = [
            replace(plan, second=point, second_kind=kind)
            for point, crossing, kind in zip(
                points_of(plan.journey, crossings), crossings, kinds, strict=False
            )
            if point.nth > self._noise[way][point.link, point.shape]
            and not why_not(crossing, kind, killable=False)
        ]
        self._sweep.second_possible += len(plans)
        return run, plans

    async def _hum(self, way: str) -> Noise:
        """What crosses when there is nothing to recover: the time that is moved, jobs that find nothing."""
        (trial,) = await self._journey.prepare(1)
        run = Run(None, trial)
        lane = await self._sweeper.lanes.take()
        await trial.ready()
        await self._sweeper.play(run, lane)
        await self._journey.finish([trial])
        turn = self._sweeper.keeper.begin()
        if way != self._journey.recoveries[0]:
            await trial.recover(lane.index, way)
        self._sweeper.keeper.end()
        return Counter((one.boundary.link, one.boundary.shape) for one in turn.crossings)

    async def _first(self, plan: FaultPlan) -> Run:
        (trial,) = await self._journey.prepare(1)
        own, said = next(self._patience), self._sweeper.patience
        trial.patient = own if said is None else said
        run = Run(plan, trial)
        lane = await self._sweeper.lanes.take()
        await trial.ready()
        await self._sweeper.play(run, lane)
        await trial.glance()
        await self._sweeper.lanes.all_up()
        return run

    async def _struck(self, plan: FaultPlan, way: str, spare: list[FaultPlan]) -> list[Run]:
        """First fault, then the second while it recovers; once more when that did not come.

        What came neither time does not belong to this recovery, only to the one that was recorded. That
        is said of it, and the nearest of the spare ones takes its place.
        """
        runs: list[Run] = []
        while True:
            for _ in range(2):
                run = await self._struck_once(plan, way)
                runs.append(run)
                if run.struck:
                    return runs
                run.plan = None
            run.plan = plan
            if not self._passed_by(run, plan):
                return runs
            assert run.turn is not None
            run.turn.refused = _ONCE_ONLY
            if not spare:
                return runs
            plan = spare.pop(_nearest(plan, spare))

    @staticmethod
    def _passed_by(run: Run, plan: FaultPlan) -> bool:
        """Whether it recovered without meeting the boundary of its second fault."""
        turn = run.turn
        return bool(
            turn and turn.blow and turn.blow.point == plan.second and not turn.struck and not turn.refused
        )

    async def _struck_once(self, plan: FaultPlan, way: str) -> Run:
        run = await self._first(replace(plan, second=None, second_kind=None))
        run.plan = plan
        assert plan.second is not None
        assert plan.second_kind is not None
        if run.struck:
            run.turn = await self._recovered(run, way, Blow(plan.second, plan.second_kind))
            run.struck = run.turn.struck is not None
            await run.trial.glance()
        return run

    async def _recovered(self, run: Run, way: str, blow: Blow | None) -> Turn:
        await self._journey.later()
        lane = await self._sweeper.lanes.take()
        turn = self._sweeper.keeper.begin(blow, replica=lane.index)
        await run.trial.recover(lane.index, way)
        await self._sweeper.keeper.quiet(turn)
        self._sweeper.over(run, lane, turn)
        return turn


def _nearest(plan: FaultPlan, others: Sequence[FaultPlan]) -> int:
    """Where among other second faults the one stands whose boundary is nearest."""

    def ordinal(one: FaultPlan) -> int:
        assert one.second is not None
        return one.second.ordinal

    return min(range(len(others)), key=lambda n: abs(ordinal(others[n]) - ordinal(plan)))
