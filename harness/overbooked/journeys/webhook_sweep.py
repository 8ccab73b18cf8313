"""Webhooks as a journey to be swept: the provider repeats each event until it is acknowledged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress

from overbooked.concurrency import run_limited
from overbooked.fault_points.journey import Findings, Mark
from overbooked.journeys.aspects import (
    ALWAYS,
    ASPECTS,
    AT_REST,
    BOOKS,
    HOLDS,
    MONEY,
    check_aspects,
    split_by_slot,
)
from overbooked.journeys.purchases import LATER_S
from overbooked.journeys.undelivered_payments import UndeliveredPayment, pay_undelivered
from overbooked.system.system import System
from overbooked.targets.errors import TargetError

LINKS = ("payments->app", "app->postgres", "app->redis", "app->payments")


class WebhookTrial:
    """One bank transfer that has arrived and whose events the service has not received."""

    def __init__(self, unheard: UndeliveredPayment) -> None:
        self.undecided = False
        self.done = False
        self.findings = Findings()
        self.patient = False
        self.unheard = unheard

    async def ready(self) -> None:
        """Do nothing; the payment was made by `prepare`."""

    async def play(self, replica: int, mark: Mark) -> None:
        """Deliver each event in order; recovery delivers the failed ones again."""
        for event in self.unheard.events:
            mark(event.type)
            with suppress(TargetError):
                await self.unheard.system.webhooks.redeliver(event)
        self.undecided = bool(await self.unheard.unacknowledged())
        self.done = not self.undecided

    async def glance(self) -> None:
        """Check the oracles that hold at every moment."""
        check_aspects(await self.unheard.system.state(slots=[self.unheard.slot]), ALWAYS, self.findings)

    async def recover(self, replica: int, way: str) -> None:
        """Deliver the unacknowledged events."""
        await self.unheard.deliver_all()


class WebhookJourney:
    """Webhooks of one system; deliveries go to its first replica."""

    name = "webhook"
    links: Sequence[str] = LINKS
    replica: int | None = 0
    aspects: Mapping[str, str] = {name: ASPECTS[name] for name in (MONEY, BOOKS, HOLDS)}
    recoveries: Sequence[str] = ("the provider delivers again",)

    def __init__(self, system: System) -> None:
        self._system = system
        self._known: WebhookTrial | None = None

    async def prepare(self, n: int) -> Sequence[WebhookTrial]:
        """Make a payment of a new customer for a new slot for each run, with every event held."""
        if self._known is None:
            await self._system.webhooks.hold_deliveries(True)
        people = await self._system.customers(n)
        unheard = await run_limited([pay_undelivered(self._system, who) for who in people])
        return [WebhookTrial(one) for one in unheard]

    async def probe(self, replica: int) -> None:
        """Deliver an old event once more."""
        if self._known is None:
            (self._known,) = await self.prepare(1)
        await self._known.play(replica, lambda step: None)

    async def later(self) -> None:
        """Advance the clock far enough that the provider delivers again."""
        await self._system.clock.advance(LATER_S)

    async def finish(self, trials: Sequence[WebhookTrial]) -> None:
        """Judge all runs; the events of impatient runs are delivered again before recovery."""
        await self.later()
        for trial in trials:
            if not trial.patient:
                await trial.unheard.deliver_all()
        await self._look(trials, at_rest=False)
        await self._system.jobs.settle()
        await self._look(trials, at_rest=True)

    async def _look(self, trials: Sequence[WebhookTrial], *, at_rest: bool) -> None:
        slots = [trial.unheard.slot.id for trial in trials]
        states = split_by_slot(await self._system.state(slots=slots), slots)
        for trial in trials:
            check_aspects(states[trial.unheard.slot.id], AT_REST if at_rest else ALWAYS, trial.findings)
