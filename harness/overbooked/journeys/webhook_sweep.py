"""A payment told by webhook, as a journey under faults: the provider delivers until it is acknowledged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress

from overbooked.fault_points.journey import Findings, Mark
from overbooked.journeys.aspects import ALWAYS, ASPECTS, AT_REST, BOOKS, HOLDS, MONEY, judged, parted
from overbooked.journeys.purchases import LATER_S
from overbooked.journeys.together import some_at_a_time
from overbooked.journeys.undelivered_payments import Unheard, pays_unheard
from overbooked.targets.errors import TargetFailed
from overbooked.targets.system import System

LINKS = ("provider->app", "app->postgres", "app->redis", "app->provider")


class WebhookTrial:
    """One payment by bank transfer that has arrived, and of which the service has yet to hear."""

    def __init__(self, unheard: Unheard) -> None:
        self.undecided = False
        self.done = False
        self.findings = Findings()
        self.patient = False
        self.unheard = unheard

    async def ready(self) -> None:
        """The payment was made when the trial was prepared."""

    async def play(self, replica: int, mark: Mark) -> None:
        """Each event is delivered, in order; what fails is delivered again, later."""
        for event in self.unheard.events:
            mark(event.type)
            with suppress(TargetFailed):
                await self.unheard.system.redeliver(event)
        self.undecided = bool(await self.unheard.unacknowledged())
        self.done = not self.undecided

    async def glance(self) -> None:
        """Judge what must hold at every moment."""
        judged(await self.unheard.system.state(slots=[self.unheard.slot]), ALWAYS, self.findings)

    async def recover(self, replica: int, way: str) -> None:
        """The provider delivers what was not acknowledged."""
        await self.unheard.heard()


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
        """New customers pay for new slots, and the service hears of none of it."""
        if self._known is None:
            await self._system.hold_deliveries()
        people = await self._system.customers(n)
        unheard = await some_at_a_time([pays_unheard(self._system, who) for who in people])
        return [WebhookTrial(one) for one in unheard]

    async def probe(self, replica: int) -> None:
        """An event that was delivered long ago is delivered once more."""
        if self._known is None:
            (self._known,) = await self.prepare(1)
        await self._known.play(replica, lambda step: None)

    async def later(self) -> None:
        """So much later that the provider tries again."""
        await self._system.advance(LATER_S)

    async def finish(self, trials: Sequence[WebhookTrial]) -> None:
        """Of some the provider delivers again before anything else happens, of others it need not."""
        await self.later()
        for trial in trials:
            if not trial.patient:
                await trial.unheard.heard()
        await self._look(trials, at_rest=False)
        await self._system.settle()
        await self._look(trials, at_rest=True)

    async def _look(self, trials: Sequence[WebhookTrial], *, at_rest: bool) -> None:
        slots = [trial.unheard.slot.id for trial in trials]
        states = parted(await self._system.state(slots=slots), slots)
        for trial in trials:
            judged(states[trial.unheard.slot.id], AT_REST if at_rest else ALWAYS, trial.findings)
