"""Reconciliation as a journey to be swept: a run that is restarted after a fault ends like an intact run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress

from overbooked.capabilities.durable_state import DurableState
from overbooked.errors import GapFound
from overbooked.fault_points.journey import Findings, Mark
from overbooked.journeys.checkout_sweep import LINKS, CheckoutJourney
from overbooked.journeys.planted_discrepancies import EVERY_KIND, PlantedDiscrepancies, plant, settle_and_hold
from overbooked.oracles.effects import nothing_changed
from overbooked.system.system import System
from overbooked.targets.errors import TargetError

REPAIRS = "repairs"
RECONCILIATION = "reconciliation"
# Few discrepancies keep a run short. Refunds are included because an interrupted run may send them twice.
REFUNDS = ("part refunded here, never sent", "second charge unknown", "part refunded there, unknown here")
# Repairs in several steps without the provider: nothing else repeats what comes after the first step.
LOCAL = (
    "all refunded there, unknown here",
    "booked, payment captured, declined there",
    "payment recorded twice",
)
LEFT_TO_A_PERSON = ("charge of less there", "refund of less there", "ledger capture of less")
OTHERS = tuple(name for name in EVERY_KIND if name not in (*REFUNDS, *LEFT_TO_A_PERSON))


class ReconciliationTrial:
    """One reconciliation run, with discrepancies planted right before it."""

    undecided = True

    def __init__(self, journey: ReconciliationJourney) -> None:
        self.findings = Findings()
        self.patient = False
        self.done = False
        self.planted: PlantedDiscrepancies | None = None
        self._journey = journey

    async def ready(self) -> None:
        """Restart and judge the previous run; then plant new discrepancies."""
        await self._journey.started_again()
        self.planted = await self._journey.plant()
        self._journey.open = self

    async def play(self, replica: int, mark: Mark) -> None:
        """Run reconciliation once."""
        mark("reconcile")
        with suppress(TargetError):
            await self._journey.system.reconciliation.reconcile()
            self.done = True

    async def glance(self) -> None:
        """Do nothing; an unfinished run may leave any state."""

    async def recover(self, replica: int, way: str) -> None:
        """Start reconciliation again."""
        await self.play(replica, lambda step: None)

    async def judge(self) -> None:
        """Judge whether every planted discrepancy is repaired as the policy requires."""
        if self.planted is not None:
            try:
                await self.planted.assert_repaired()
            except GapFound as found:
                self.findings.add(REPAIRS, found)


class ReconciliationJourney:
    """Reconciliation runs of one system.

    Args:
        kinds: the shapes of discrepancies that are planted for each run.
        name: the name of the journey.
    """

    links: Sequence[str] = LINKS
    replica: int | None = 0
    aspects: Mapping[str, str] = {
        REPAIRS: "a run that is interrupted and restarted ends like a whole one, with nothing repaired twice"
    }
    recoveries: Sequence[str] = ("started again",)

    def __init__(self, system: System, kinds: Sequence[str], name: str = RECONCILIATION) -> None:
        self.name = name
        self.system = system
        self.open: ReconciliationTrial | None = None
        self._kinds = kinds
        self._customers = CheckoutJourney(system)
        self._left: PlantedDiscrepancies | None = None
        self._left_as: DurableState | None = None

    async def prepare(self, n: int) -> Sequence[ReconciliationTrial]:
        """Prepare runs with delayed refunds: those of a killed run are still pending in the next one."""
        if self._left is None:
            await settle_and_hold(self.system)
            await self.system.reconciliation.delay_refunds(True)
            self._left = await plant(self.system, LEFT_TO_A_PERSON)
        return [ReconciliationTrial(self) for _ in range(n)]

    async def plant(self) -> PlantedDiscrepancies:
        """Plant the discrepancies that a run must find."""
        return await plant(self.system, self._kinds)

    async def probe(self, replica: int) -> None:
        """Read a checkout as its owner."""
        await self._customers.probe(replica)

    async def later(self) -> None:
        """Do nothing; a run can be restarted at once."""

    async def started_again(self) -> None:
        """Run reconciliation after the run with the fault, and judge that run by the resulting state."""
        trial, self.open = self.open, None
        if trial is None:
            return
        await self.system.reconciliation.reconcile()
        await trial.judge()
        if self._left is not None and self._left_as is None:
            self._left_as = await self._left.state()

    async def finish(self, trials: Sequence[ReconciliationTrial]) -> None:
        """Run reconciliation once more and let refunds arrive, so that double repairs become visible; judge
        all runs."""
        await self.started_again()
        await self.system.reconciliation.reconcile()
        await self.system.jobs.recover()
        for trial in trials:
            await trial.judge()
        if self._left is not None and self._left_as is not None:
            try:
                nothing_changed(self._left_as, await self._left.state())
            except GapFound as found:
                for trial in trials:
                    trial.findings.add(REPAIRS, found)

    async def clear(self) -> None:
        """Resolve the discrepancies that await a person, so that later runs do not report them again."""
        if self._left is not None:
            await self._left.clear()
