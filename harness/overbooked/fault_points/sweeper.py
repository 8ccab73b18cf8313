"""Sweeps: a journey is run once for each fault at each of its boundaries, and what is left is judged.

Runs follow one another, so that every boundary that crosses meanwhile is the run's; only what waits in a
stall waits beside the others. Recovery and reconciliation come once for a batch of runs: each is about
things of its own, and is judged by these alone.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from overbooked.errors import HarnessError
from overbooked.fault_points.gatekeeper import Blow, Keeper, Turn
from overbooked.fault_points.gates import gated, require_store
from overbooked.fault_points.journey import Journey, Trial
from overbooked.fault_points.plans import Quotas, planned, plans_of
from overbooked.fault_points.points import EVERY_KIND, Crossing, FaultPlan, points_of
from overbooked.fault_points.replicas import Lane, Lanes
from overbooked.fault_points.results import Cell, Outcome, Sweep
from overbooked.stacks.base.protocol import Stack
from overbooked.wire.gate.boundary import FaultKind

BATCH = 40
STALLED_TOGETHER = 10
# A journey whose every step is tried again after the longest time-outs of a service.
PLAY_S = 60.0
# Others begin only while nobody has been stalled for longer than this share of what a stall lasts.
_SHARE_OF_STALL = 0.6

Progress = Callable[[int, int, str], None]
Enough = Callable[[Sweep], bool]


@dataclass(slots=True)
class Run:
    """A trial under a plan (None: nothing is done to it), and what became of it."""

    plan: FaultPlan | None
    trial: Trial
    turn: Turn | None = None
    struck: bool = False
    undecided: bool = False


class Sweeper:
    """Sweeps journeys on one stack.

    Args:
        stack: its links need a gate.
        rng: where a sample falls.
        kinds: which faults.
        quotas: how many of each.
        progress: told of each run: how many are done, of how many, and what is going on.
        patience: whether clients leave what was undecided to recovery; None: every other one does.
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
        begun: Callable[[Sweep], None] | None = None,
    ) -> None:
        self.stack = stack
        self._hand_out = begun
        self.patience = patience
        self.rng = rng
        self.kinds = tuple(kinds)
        self.quotas = quotas or Quotas()
        self._progress = progress
        self._stall_s: dict[str, float] = {}
        self._patient: frozenset[FaultPlan] = frozenset()
        self._done = self._total = 0
        self.keeper: Keeper
        self.lanes: Lanes

    async def first_order(self, journey: Journey, *, enough: Enough | None = None) -> Sweep:
        """Strike each point once with each kind; the keeper must be engaged.

        Args:
            enough: asked after each batch; True ends the sweep early, what is left was not run.

        Raises:
            HarnessError: the gate or a replica failed, the journey crosses nothing, or it does not succeed
                without a fault.
        """
        await self.lanes.learn()
        clean = await self._warmed(journey)
        crossings = await self._recorded(journey, clean)
        _require_success(journey, clean)
        sweep = Sweep(journey.name, points_of(journey.name, crossings), self.kinds)
        chosen = planned(sweep, crossings, quotas=self.quotas, rng=self.rng, killable=self.lanes.killable)
        self._total += len(chosen)
        if self._hand_out is not None:
            self._hand_out(sweep)
        try:
            await self._struck_all(journey, sweep, clean, chosen, enough)
        except asyncio.CancelledError:
            entered = {cell.plan for cell in sweep.cells}
            for plan in chosen:
                if plan not in entered:
                    sweep.add(Cell(plan, Outcome.NOT_RUN, "broken off"))
            raise
        return sweep

    async def one(self, journey: Journey, pick: Callable[[Sequence[FaultPlan]], FaultPlan]) -> Sweep:
        """Record the journey and carry out one first fault; the keeper must be engaged.

        Args:
            pick: names it, given every one that makes sense.

        Raises:
            HarnessError: as for a sweep.
        """
        await self.lanes.learn()
        clean = await self._warmed(journey)
        crossings = await self._recorded(journey, clean)
        _require_success(journey, clean)
        points = points_of(journey.name, crossings)
        sweep = Sweep(journey.name, points, self.kinds)
        possible = [plan for plan, why in plans_of(sweep, crossings, killable=self.lanes.killable) if not why]
        plan = pick(possible)
        if plan.second is None:
            await self._struck_all(journey, sweep, clean, [plan], None)
        else:
            await self.judged(journey, sweep, clean)
        return sweep

    @asynccontextmanager
    async def engaged(self, journey: Journey) -> AsyncIterator[None]:
        """The gate's keeper is ours while this lasts, and every replica runs afterwards."""
        self.keeper = Keeper(asyncio.get_running_loop())
        self.lanes = Lanes(self.stack, self.keeper, journey.probe, only=journey.replica)
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

    # -- what there is to strike ---------------------------------------------------------------

    async def _warmed(self, journey: Journey) -> list[Run]:
        """One run at each replica, which fills caches and prepares statements."""
        runs = []
        lanes = self.lanes.usable
        for lane, trial in zip(lanes, await journey.prepare(len(lanes)), strict=True):
            runs.append(run := Run(None, trial))
            await trial.ready()
            await self.play(run, lane)
        return runs

    async def _recorded(self, journey: Journey, clean: list[Run]) -> list[Crossing]:
        (trial,) = await journey.prepare(1)
        clean.append(run := Run(None, trial))
        await trial.ready()
        await self.play(run, self.lanes.usable[0])
        assert run.turn is not None
        if not run.turn.crossings:
            raise HarnessError(
                f"{journey.name} crossed no boundary on {', '.join(journey.links)}: nothing can be failed"
            )
        return list(run.turn.crossings)

    # -- batches -------------------------------------------------------------------------------

    async def _struck_all(
        self,
        journey: Journey,
        sweep: Sweep,
        clean: list[Run],
        chosen: Sequence[FaultPlan],
        enough: Enough | None,
    ) -> None:
        # Faults of one kind after another would have both replicas starting at once, or both resting.
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
                    sweep.add(Cell(plan, Outcome.NOT_RUN, "enough was found"))
                return

    async def _batch(self, journey: Journey, plans: Sequence[FaultPlan]) -> list[Run]:
        trials = await journey.prepare(len(plans)) if plans else ()
        runs = [Run(plan, trial) for plan, trial in zip(plans, trials, strict=True)]
        for run in runs:
            run.trial.patient = run.plan in self._patient if self.patience is None else self.patience
        stalled = [run for run in runs if run.plan is not None and run.plan.kind is FaultKind.STALL]
        for run in runs:
            if run not in stalled:
                await self._struck(run)
        for link in dict.fromkeys(run.plan.point.link for run in stalled if run.plan):
            await self._stalled([run for run in stalled if run.plan and run.plan.point.link == link], link)
        return runs

    async def _struck(self, run: Run) -> None:
        assert run.plan is not None
        self._tell(str(run.plan))
        lane = await self.lanes.take()
        await run.trial.ready()
        await self.play(run, lane)
        await run.trial.glance()

    async def _stalled(self, runs: Sequence[Run], link: str) -> None:
        """Stall many on one link beside each other; the first alone, to learn how long it lasts."""
        waiting = list(runs)
        while waiting:
            begun = time.monotonic()
            together: list[asyncio.Task[None]] = []
            while waiting and len(together) < STALLED_TOGETHER:
                run = waiting.pop(0)
                assert run.plan is not None
                self._tell(str(run.plan))
                lane = await self.lanes.take()
                await run.trial.ready()
                together.append(await self._begun(run, lane))
                await run.trial.glance()
                if time.monotonic() - begun > self._stall_s.get(link, 0.0) * _SHARE_OF_STALL:
                    break
            await asyncio.wait(together, timeout=PLAY_S)
            for task in together:
                await ended(task)
            if link not in self._stall_s:
                self._stall_s[link] = time.monotonic() - begun

    # -- one run -------------------------------------------------------------------------------

    async def play(self, run: Run, lane: Lane) -> None:
        """One run from its first step to its last, at a replica."""
        turn, task = self._playing(run, lane)
        try:
            async with asyncio.timeout(PLAY_S):
                await task
        except TimeoutError as error:
            raise HarnessError(
                f"a run did not end within {PLAY_S:g} s: {run.plan or 'undisturbed'}"
            ) from error
        await self.keeper.quiet(turn)
        self.over(run, lane, turn)

    async def _begun(self, run: Run, lane: Lane) -> asyncio.Task[None]:
        """One run up to where it is struck; it goes on by itself."""
        turn, task = self._playing(run, lane)
        deadline = time.monotonic() + PLAY_S
        while not (turn.struck or turn.refused or turn.failed or task.done()):
            turn.news.clear()
            news = asyncio.ensure_future(turn.news.wait())
            await asyncio.wait(
                {news, task}, return_when=asyncio.FIRST_COMPLETED, timeout=deadline - time.monotonic()
            )
            news.cancel()
            if time.monotonic() > deadline:
                raise HarnessError(f"a run was neither struck nor ended within {PLAY_S:g} s: {run.plan}")
        self.over(run, lane, turn)
        return task

    def _playing(self, run: Run, lane: Lane) -> tuple[Turn, asyncio.Task[None]]:
        plan = run.plan
        blow = Blow(plan.point, plan.kind, lane.kill) if plan is not None else None
        turn = run.turn = self.keeper.begin(
            blow, replica=lane.index, crowded=lambda: self.lanes.crowded(lane)
        )
        return turn, asyncio.create_task(run.trial.play(lane.index, turn.mark))

    def over(self, run: Run, lane: Lane, turn: Turn) -> None:
        """End a turn; what it did to the replica is to be mended before the next.

        Raises:
            HarnessError: the fault could not be done, or the gate lost track.
        """
        self.keeper.end()
        if turn.failed is not None:
            raise HarnessError(f"{run.plan} could not be done: {turn.failed}") from turn.failed
        run.struck = turn.struck is not None
        run.undecided = run.trial.undecided
        if run.plan is not None:
            lane.doubtful = True
            self.lanes.revive()

    # -- judging -------------------------------------------------------------------------------

    async def judged(
        self, journey: Journey, sweep: Sweep, runs: Sequence[Run], *, later: Sequence[FaultPlan] = ()
    ) -> None:
        """Let recovery finish for these runs together, and enter what each came to.

        Args:
            later: plans that did not bite and get another chance.
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

    def cell(self, run: Run) -> Cell:
        """What a run came to."""
        turn, plan = run.turn, run.plan
        assert turn is not None
        assert plan is not None
        if turn.refused:
            return Cell(plan, Outcome.NOT_APPLICABLE, turn.refused)
        if not run.struck:
            return Cell(
                plan, Outcome.DID_NOT_BITE, f"no {plan.point.place} came for the {plan.point.nth}. time"
            )
        self._done += 1
        outcome = Outcome.VIOLATED if run.trial.findings else Outcome.SAFE
        aspects = tuple(run.trial.findings.by_aspect)
        return Cell(plan, outcome, aspects=aspects, shifted=turn.at - plan.point.ordinal)

    @staticmethod
    def _missed(run: Run) -> bool:
        return run.plan is not None and not run.struck and not (run.turn and run.turn.refused)

    def _tell(self, what: str) -> None:
        if self._progress is not None:
            self._progress(self._done, self._total, what)


def _require_success(journey: Journey, clean: Sequence[Run]) -> None:
    """Refuse to strike a journey that does not even succeed when nothing disturbs it."""
    failed = sum(not run.trial.done for run in clean)
    if failed:
        raise HarnessError(
            f"{journey.name}: without any fault {failed} of {len(clean)} runs did not come to their end, so "
            "faults would show nothing; check the adapter"
        )


async def ended(task: asyncio.Task[None]) -> None:
    """What a run raised; GapFound too.

    Raises:
        HarnessError: it has not ended.
    """
    if not task.done():
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        raise HarnessError(f"a stalled run did not end within {PLAY_S:g} s")
    await task
