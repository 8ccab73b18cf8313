"""Second-order faults: a fault in a run, and another at a boundary of the recovery from it.

For each first fault that leaves work for recovery, the recovery is recorded, once for each way in which the
journey can be resumed. Then the run is repeated with a second fault at each boundary of that recovery. The
kinds alternate from boundary to boundary, so that each boundary gets one of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import cycle

from overbooked.errors import HarnessError
from overbooked.fault_points.address import FaultAddress
from overbooked.fault_points.gatekeeper import Injection, RecordedRun
from overbooked.fault_points.journey import Journey
from overbooked.fault_points.points import Crossing, FaultPlan, points_of, spread, why_not
from overbooked.fault_points.results import SweepResult
from overbooked.fault_points.sweep_run import SweepRun
from overbooked.fault_points.sweeper import BATCH, Sweeper
from overbooked.wire.gate.boundary import FaultKind

FIRST_KINDS = frozenset(
    {FaultKind.ERROR, FaultKind.RESET_BEFORE, FaultKind.ANSWER_LOST, FaultKind.KILL_AFTER}
)
THEN_KINDS: Sequence[FaultKind] = (FaultKind.ANSWER_LOST, FaultKind.ERROR, FaultKind.RESET_BEFORE)
# Second faults that a sample takes per recorded recovery. Each recording costs an additional run.
PER_RECOVERY = 5
_ONCE_ONLY = (
    "occurred in one of three recoveries from this fault, like the queries of a driver on a new connection"
)

Noise = Counter[tuple[str, str]]


class DoubleFaults:
    """Second-order faults of one journey.

    Args:
        sweeper: an engaged sweeper that has injected the first-order faults.
    """

    def __init__(self, sweeper: Sweeper, journey: Journey, sweep: SweepResult) -> None:
        self._sweeper = sweeper
        self._journey = journey
        self._sweep = sweep
        self._noise: dict[str, Noise] = {}
        self._patience = cycle((False, True))

    async def go(self, quota: int | None) -> None:
        """Inject `quota` second faults, spread evenly over first faults and over the boundaries of each
        recovery; None: all of them."""
        firsts = sorted(
            (plan for plan in self._sweep.undecided if plan.kind in FIRST_KINDS),
            key=lambda plan: (plan.point.ordinal, plan.kind.value),
        )
        pairs = [(way, plan) for way in self._journey.recoveries for plan in firsts]
        recorded = spread(pairs, None if quota is None else -(-quota // PER_RECOVERY), self._sweeper.rng)
        kinds = cycle(THEN_KINDS)
        left = quota
        runs: list[SweepRun] = []
        for n, (way, plan) in enumerate(recorded):
            share = None if left is None else -(-left // (len(recorded) - n))
            first, possible = await self._recorded(plan, way, kinds)
            runs.append(first)
            chosen = spread(possible, share, self._sweeper.rng)
            spare = [one for one in possible if one not in chosen]
            for then in chosen:
                runs += await self._struck(then, way, spare)
            left = None if left is None else left - len(chosen)
            # State left by one way of recovery must not affect another.
            if len(runs) >= BATCH or n + 1 == len(recorded) or recorded[n + 1][0] != way:
                await self._sweeper.judged(self._journey, self._sweep, runs)
                runs = []

    async def one(self, plan: FaultPlan) -> None:
        """Run one plan; the step of its second point is the way of recovery."""
        assert plan.second is not None
        runs = await self._struck(plan, plan.second.step, [])
        await self._sweeper.judged(self._journey, self._sweep, runs)

    async def resolve(self, plan: FaultPlan, then: FaultAddress) -> FaultPlan:
        """Record the recoveries from a first fault; return its plan with the second fault of an address.

        Raises:
            HarnessError: no recovery has such a point.
        """
        for way in self._journey.recoveries:
            run, possible = await self._recorded(plan, way, cycle([then.kind]))
            await self._sweeper.judged(self._journey, self._sweep, [run])
            for one in possible:
                if then.names(one.second, one.second_kind):
                    return one
        raise HarnessError(f"no recovery from {plan} has the fault {then}")

    async def _recorded(
        self, plan: FaultPlan, way: str, kinds: Iterator[FaultKind]
    ) -> tuple[SweepRun, list[FaultPlan]]:
        """Record the recovery from a first fault; return the run and the second faults possible in it."""
        if way not in self._noise:
            self._noise[way] = await self._hum(way)
        run = await self._first(plan)
        turn = await self._recovered(run, way, None)
        # The run is judged, but its outcome was already added with the first-order faults.
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
        """Return the boundaries of an idle recovery: the clock advances and jobs find no work."""
        (trial,) = await self._journey.prepare(1)
        run = SweepRun(None, trial)
        lane = await self._sweeper.lanes.take()
        await trial.ready()
        await self._sweeper.play(run, lane)
        await self._journey.finish([trial])
        turn = self._sweeper.keeper.begin()
        if way != self._journey.recoveries[0]:
            await trial.recover(lane.index, way)
        self._sweeper.keeper.end()
        return Counter((one.boundary.link, one.boundary.shape) for one in turn.crossings)

    async def _first(self, plan: FaultPlan) -> SweepRun:
        (trial,) = await self._journey.prepare(1)
        own, said = next(self._patience), self._sweeper.patience
        trial.patient = own if said is None else said
        run = SweepRun(plan, trial)
        lane = await self._sweeper.lanes.take()
        await trial.ready()
        await self._sweeper.play(run, lane)
        await trial.glance()
        await self._sweeper.lanes.all_up()
        return run

    async def _struck(self, plan: FaultPlan, way: str, spare: list[FaultPlan]) -> list[SweepRun]:
        """Inject the first fault, and the second during recovery; retry once if that boundary is not crossed.

        A boundary that neither run crosses occurred only in the recorded recovery. Its cell says so, and the
        nearest spare plan is run instead.
        """
        runs: list[SweepRun] = []
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
    def _passed_by(run: SweepRun, plan: FaultPlan) -> bool:
        """Return whether the run recovered without crossing the boundary of the second fault."""
        turn = run.turn
        return bool(
            turn and turn.blow and turn.blow.point == plan.second and not turn.struck and not turn.refused
        )

    async def _struck_once(self, plan: FaultPlan, way: str) -> SweepRun:
        run = await self._first(replace(plan, second=None, second_kind=None))
        run.plan = plan
        assert plan.second is not None
        assert plan.second_kind is not None
        if run.struck:
            run.turn = await self._recovered(run, way, Injection(plan.second, plan.second_kind))
            run.struck = run.turn.struck is not None
            await run.trial.glance()
        return run

    async def _recovered(self, run: SweepRun, way: str, blow: Injection | None) -> RecordedRun:
        await self._journey.later()
        lane = await self._sweeper.lanes.take()
        turn = self._sweeper.keeper.begin(blow, replica=lane.index)
        await run.trial.recover(lane.index, way)
        await self._sweeper.keeper.quiet(turn)
        self._sweeper.over(run, lane, turn)
        return turn


def _nearest(plan: FaultPlan, others: Sequence[FaultPlan]) -> int:
    """Return the index of the plan whose second boundary is closest by ordinal."""

    def ordinal(one: FaultPlan) -> int:
        assert one.second is not None
        return one.second.ordinal

    return min(range(len(others)), key=lambda n: abs(ordinal(others[n]) - ordinal(plan)))
