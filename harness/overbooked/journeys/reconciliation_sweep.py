"""A reconciliation run as a journey under faults: struck and started again, it ends like a whole one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress

from overbooked.errors import GapFound
from overbooked.fault_points.journey import Findings, Mark
from overbooked.journeys.checkout_sweep import LINKS, CheckoutJourney
from overbooked.journeys.planted_discrepancies import EVERY_KIND, Planted, plant, quiet
from overbooked.oracles.effects import nothing_changed
from overbooked.oracles.repairs import LEFT_TO_A_PERSON
from overbooked.targets.adapter import DurableState
from overbooked.targets.errors import TargetFailed
from overbooked.targets.system import System

REPAIRS = "repairs"
RECONCILIATION = "reconciliation"
# Few differences, so that a run is short: refunds are what a run broken off may send twice.
REFUNDS = ("refunded here only", "captured twice there", "refunded there only")
OTHERS = tuple(kind for kind in EVERY_KIND if kind not in (*REFUNDS, *LEFT_TO_A_PERSON))


class ReconciliationTrial:
    """Differences that are planted right before the run that is to be struck."""

    undecided = True

    def __init__(self, journey: ReconciliationJourney) -> None:
        self.findings = Findings()
        self.patient = False
        self.done = False
        self.planted: Planted | None = None
        self._journey = journey

    async def ready(self) -> None:
        """The run before is started again, and judged; then there is something new to repair."""
        await self._journey.started_again()
        self.planted = await self._journey.plant()
        self._journey.open = self

    async def play(self, replica: int, mark: Mark) -> None:
        """One run."""
        mark("reconcile")
        with suppress(TargetFailed):
            await self._journey.system.reconcile()
            self.done = True

    async def glance(self) -> None:
        """What a run has left half done may be anything; it is judged once another was whole."""

    async def recover(self, replica: int, way: str) -> None:
        """It is started again."""
        await self.play(replica, lambda step: None)

    async def judge(self) -> None:
        """Whether everything planted is repaired as the policy says."""
        if self.planted is not None:
            try:
                await self.planted.are_repaired()
            except GapFound as found:
                self.findings.add(REPAIRS, found)


class ReconciliationJourney:
    """Reconciliation runs of one system.

    Args:
        kinds: of the differences that each run meets.
        name: of the journey with these.
    """

    links: Sequence[str] = LINKS
    replica: int | None = 0
    aspects: Mapping[str, str] = {
        REPAIRS: "a run that is struck and started again ends like a whole one, with nothing repaired twice"
    }
    recoveries: Sequence[str] = ("started again",)

    def __init__(self, system: System, kinds: Sequence[str], name: str = RECONCILIATION) -> None:
        self.name = name
        self.system = system
        self.open: ReconciliationTrial | None = None
        self._kinds = kinds
        self._customers = CheckoutJourney(system)
        self._left: Planted | None = None
        self._left_as: DurableState | None = None

    async def prepare(self, n: int) -> Sequence[ReconciliationTrial]:
        """What a killed run has sent is still on its way when the next one looks."""
        if self._left is None:
            await quiet(self.system)
            await self.system.delay_refunds()
            self._left = await plant(self.system, LEFT_TO_A_PERSON)
        return [ReconciliationTrial(self) for _ in range(n)]

    async def plant(self) -> Planted:
        """What a run is to find."""
        return await plant(self.system, self._kinds)

    async def probe(self, replica: int) -> None:
        """A customer reads his checkout."""
        await self._customers.probe(replica)

    async def later(self) -> None:
        """A run can be started again at once."""

    async def started_again(self) -> None:
        """A whole run after the one that was struck; it is judged by what is there then."""
        trial, self.open = self.open, None
        if trial is None:
            return
        await self.system.reconcile()
        await trial.judge()
        if self._left is not None and self._left_as is None:
            self._left_as = await self._left.state()

    async def finish(self, trials: Sequence[ReconciliationTrial]) -> None:
        """One run more comes by, refunds arrive, and what a repair done twice has only set going comes to
        light."""
        await self.started_again()
        await self.system.reconcile()
        await self.system.recover()
        for trial in trials:
            await trial.judge()
        if self._left is not None and self._left_as is not None:
            try:
                nothing_changed(self._left_as, await self._left.state())
            except GapFound as found:
                for trial in trials:
                    trial.findings.add(REPAIRS, found)

    async def mend(self) -> None:
        """What waits for a person is settled: later runs are not to meet it again."""
        if self._left is not None:
            await self._left.mend()
