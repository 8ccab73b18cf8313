"""Sweeps a journey: runs it once for each fault at each of its boundaries, and judges the result.

Runs are sequential, so that every boundary crossed during a run belongs to it; only stalled runs wait
concurrently. Recovery and reconciliation run once for a batch: each run has its own objects and is judged by
these alone.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from overbooked.errors import HarnessError
from overbooked.fault_points.gatekeeper import Injection, RecordedRun, SweepGatekeeper
from overbooked.fault_points.gates import gated, require_store
from overbooked.fault_points.journey import Journey
from overbooked.fault_points.plans import STALLS, Quotas, planned, plans_of
from overbooked.fault_points.points import AFTERWARDS, EVERY_KIND, Crossing, FaultPlan, points_of
from overbooked.fault_points.replicas import Replica, ReplicaPool
from overbooked.fault_points.results import SweepCell, SweepOutcome, SweepResult
from overbooked.fault_points.sweep_run import SweepRun
from overbooked.fault_points.waits import PLAY_S, Waits
from overbooked.stacks.base.protocol import Stack
from overbooked.wire.gate.boundary import FaultKind

BATCH = 40

Progress = Callable[[int, int, str], None]
Enough = Callable[[SweepResult], bool]


class Sweeper:
    """Sweeps journeys on one stack.

    Args:
        stack: a stack whose links have gates.
        rng: chooses the samples.
        kinds: the kinds of faults.
        quotas: how many faults of each class.
        progress: called for each run with the number done, the total, and the current fault.
        patience: whether clients wait for recovery before they retry; None: every second one does.
        begun: called with the result before the first fault.
    """

    def __init__(
        self,
        stack: Stack,
        *,
        rng: random.Random,
        kinds: Sequence[FaultKind] = EVERY_KIND,
        quotas: Quotas | None = None,
        progress: Progress | None = None,
        patience: bool | None = None,
        begun: Callable[[SweepResult], None] | None = None,
    ) -> None:
        self.stack = stack
        self._hand_out = begun
        self.patience = patience
        self.rng = rng
        self.kinds = tuple(kinds)
        self.quotas = quotas or Quotas()
        self._progress = progress
        self._waits = Waits(self)
        self._patient: frozenset[FaultPlan] = frozenset()
        self._done = self._total = 0
        self.keeper: SweepGatekeeper
        self.lanes: ReplicaPool

    async def first_order(self, journey: Journey, *, enough: Enough | None = None) -> SweepResult:
        """Inject each kind once at each point; the keeper must be engaged.

        Args:
            enough: called after each batch; True ends the sweep, and the rest is not run.

        Raises:
            HarnessError: the gate or a replica failed, the journey crosses nothing, or it does not succeed
                without a fault.
        """
        await self.lanes.learn()
        clean = await self._warmed(journey)
        crossings = await self._recorded(journey, clean)
        _require_success(journey, clean)
        sweep = SweepResult(journey.name, points_of(journey.name, crossings), self.kinds)
        chosen = planned(sweep, crossings, quotas=self.quotas, rng=self.rng, killable=self.lanes.killable)
        self._total += len(chosen)
        if self._hand_out is not None:
            self._hand_out(sweep)
        try:
            await self._run_all(journey, sweep, clean, chosen, enough)
        except asyncio.CancelledError:
            entered = {cell.plan for cell in sweep.cells}
            for plan in chosen:
                if plan not in entered:
                    sweep.add(SweepCell(plan, SweepOutcome.NOT_RUN, "interrupted"))
            raise
        return sweep

    async def one(
        self, journey: Journey, pick: Callable[[Sequence[FaultPlan]], FaultPlan], *, alone: bool = True
    ) -> SweepResult:
        """Record the journey and inject one first-order fault; the keeper must be engaged.

        Args:
            pick: picks the plan among all that are possible.
            alone: whether to inject it here; False if a second fault follows, which `DoubleFaults` injects.

        Raises:
            HarnessError: as for a sweep.
        """
        await self.lanes.learn()
        clean = await self._warmed(journey)
        crossings = await self._recorded(journey, clean)
        _require_success(journey, clean)
        points = points_of(journey.name, crossings)
        sweep = SweepResult(journey.name, points, self.kinds)
        possible = [plan for plan, why in plans_of(sweep, crossings, killable=self.lanes.killable) if not why]
        plan = pick(possible)
        if plan.second is None and alone:
            await self._run_all(journey, sweep, clean, [plan], None)
        else:
            await self.judged(journey, sweep, clean)
        return sweep

    @asynccontextmanager
    async def engaged(self, journey: Journey) -> AsyncIterator[None]:
        """Install the gatekeeper of the sweep; on exit, remove it and make sure that every replica runs."""
        self.keeper = SweepGatekeeper(asyncio.get_running_loop())
        self.lanes = ReplicaPool(self.stack, self.keeper, journey.probe, only=journey.replica)
        require_store(self.stack)
        links = gated(self.stack, journey.links)
        for link in links:
            link.gate(self.keeper)
        try:
            yield
            await self.lanes.all_up()
        finally:
            self.keeper.begin()
            for link in links:
                link.gate(None)
            await self.lanes.close()

    # -- recording -----------------------------------------------------------------------------

    async def _warmed(self, journey: Journey) -> list[SweepRun]:
        """Run the journey once at each replica, which fills caches and prepares statements."""
        runs = []
        lanes = self.lanes.usable
        for lane, trial in zip(lanes, await journey.prepare(len(lanes)), strict=True):
            runs.append(run := SweepRun(None, trial))
            await trial.ready()
            await self.play(run, lane)
        return runs

    async def _recorded(self, journey: Journey, clean: list[SweepRun]) -> list[Crossing]:
        (trial,) = await journey.prepare(1)
        clean.append(run := SweepRun(None, trial))
        await trial.ready()
        await self.play(run, self.lanes.usable[0])
        assert run.turn is not None
        if not run.turn.crossings:
            raise HarnessError(
                f"{journey.name} crossed no boundary on {', '.join(journey.links)}: there is no fault point"
            )
        return list(run.turn.crossings)

    # -- batches -------------------------------------------------------------------------------

    async def _run_all(
        self,
        journey: Journey,
        sweep: SweepResult,
        clean: list[SweepRun],
        chosen: Sequence[FaultPlan],
        enough: Enough | None,
    ) -> None:
        # In random order, because after many kills in a row both replicas would be starting at the same time.
        queue = self.rng.sample(list(chosen), len(chosen))
        in_order = sorted(chosen, key=lambda plan: (plan.kind.value, plan.point.ordinal))
        self._patient = frozenset(in_order[1::2])
        tried: set[FaultPlan] = set()
        runs = clean
        while queue or runs:
            batch, queue = queue[:BATCH], queue[BATCH:]
            runs = runs + await self._batch(journey, batch)
            once_more = [run.plan for run in runs if run.plan and self._missed(run) and run.plan not in tried]
            tried.update(once_more)
            queue += once_more
            await self.judged(journey, sweep, runs, later=once_more)
            runs = []
            if enough is not None and enough(sweep):
                for plan in queue:
                    sweep.add(SweepCell(plan, SweepOutcome.NOT_RUN, "every clause is open already"))
                return

    async def _batch(self, journey: Journey, plans: Sequence[FaultPlan]) -> list[SweepRun]:
        trials = await journey.prepare(len(plans)) if plans else ()
        runs = [SweepRun(plan, trial) for plan, trial in zip(plans, trials, strict=True)]
        for run in runs:
            run.trial.patient = run.plan in self._patient if self.patience is None else self.patience
        waiting = [run for run in runs if run.plan is not None and run.plan.kind in STALLS]
        # Outages first: while a killed replica starts, an outage would hit its start too.
        for run in sorted(runs, key=_outlasts_no_retry):
            if run not in waiting:
                await self._struck(run)
        await self._waits.run(waiting)
        return runs

    async def _struck(self, run: SweepRun) -> None:
        self.announce(run)
        lane = await self.lanes.take()
        await run.trial.ready()
        await self.play(run, lane)
        await run.trial.glance()

    # -- one run -------------------------------------------------------------------------------

    async def play(self, run: SweepRun, lane: Replica) -> None:
        """Run the whole journey at a replica.

        Raises:
            HarnessError: the run did not end within `PLAY_S` seconds.
        """
        turn, task = self.playing(run, lane)
        try:
            async with asyncio.timeout(PLAY_S):
                await task
        except TimeoutError as error:
            raise HarnessError(
                f"a run did not end within {PLAY_S:g} s: {run.plan or 'undisturbed'}"
            ) from error
        await self.keeper.quiet(turn)
        self.over(run, lane, turn)

    def playing(self, run: SweepRun, lane: Replica) -> tuple[RecordedRun, asyncio.Task[None]]:
        """Start a run; return its record and the task that finishes it."""
        plan = run.plan
        blow = Injection(plan.point, plan.kind, lane.kill) if plan is not None else None
        turn = run.turn = self.keeper.begin(
            blow, replica=lane.index, crowded=lambda: self.lanes.crowded(lane)
        )
        return turn, asyncio.create_task(run.trial.play(lane.index, turn.mark))

    def over(self, run: SweepRun, lane: Replica, turn: RecordedRun) -> None:
        """End the recording of a run; its replica is not used again until it is back to normal.

        Raises:
            HarnessError: the fault could not be injected, or the gate lost track of a connection.
        """
        self.keeper.end()
        if turn.failed is not None:
            raise HarnessError(f"{run.plan} could not be injected: {turn.failed}") from turn.failed
        run.struck = turn.struck is not None
        run.undecided = run.trial.undecided
        if run.plan is not None:
            lane.doubtful = True
            if run.plan.kind in AFTERWARDS:
                self.lanes.doubt_all()  # an outage of a link is met by every replica
            self.lanes.restart_dead()

    # -- judging -------------------------------------------------------------------------------

    async def judged(
        self,
        journey: Journey,
        sweep: SweepResult,
        runs: Sequence[SweepRun],
        *,
        later: Sequence[FaultPlan] = (),
    ) -> None:
        """Run recovery for these runs together, and add the outcome of each.

        Args:
            later: plans that took no effect and will be tried once more; they get no outcome yet.
        """
        await self.lanes.all_up()
        self._tell("recovery and reconciliation")
        await journey.finish([run.trial for run in runs])
        for run in runs:
            for aspect, found in run.trial.findings.by_aspect.items():
                crossed = run.turn.crossings if run.turn is not None else ()
                sweep.note(run.plan, aspect, found, patient=run.trial.patient, crossed=crossed)
            if run.plan is not None and run.plan not in later:
                sweep.add(self.cell(run))
                if run.struck and run.undecided and run.plan.second is None:
                    sweep.undecided.append(run.plan)

    def cell(self, run: SweepRun) -> SweepCell:
        """Return the cell of a run."""
        turn, plan = run.turn, run.plan
        assert turn is not None
        assert plan is not None
        if turn.refused:
            return SweepCell(plan, SweepOutcome.NOT_APPLICABLE, turn.refused)
        if not run.struck:
            return SweepCell(
                plan,
                SweepOutcome.DID_NOT_BITE,
                f"the run had no occurrence {plan.point.nth} of this {plan.point.place}",
            )
        self._done += 1
        outcome = SweepOutcome.VIOLATED if run.trial.findings else SweepOutcome.SAFE
        aspects = tuple(run.trial.findings.by_aspect)
        return SweepCell(
            plan, outcome, aspects=aspects, shifted=turn.at - plan.point.ordinal, patient=run.trial.patient
        )

    def announce(self, run: SweepRun) -> None:
        """Report that a run with a fault begins."""
        self._tell(str(run.plan))

    @staticmethod
    def _missed(run: SweepRun) -> bool:
        return run.plan is not None and not run.struck and not (run.turn and run.turn.refused)

    def _tell(self, what: str) -> None:
        if self._progress is not None:
            self._progress(self._done, self._total, what)


def _outlasts_no_retry(run: SweepRun) -> bool:
    return run.plan is None or run.plan.kind not in AFTERWARDS


def _require_success(journey: Journey, clean: Sequence[SweepRun]) -> None:
    """Refuse to inject faults into a journey that does not succeed without one."""
    failed = sum(not run.trial.done for run in clean)
    if failed:
        raise HarnessError(
            f"{journey.name}: without a fault, {failed} of {len(clean)} runs did not succeed, so that faults "
            "would prove nothing; check the adapter"
        )
