"""Checkout as a journey under faults: quote, begin, details, pay, by a client who tries again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress

from overbooked.fault_points.journey import Findings, Mark
from overbooked.journeys.aspects import ALWAYS, ASPECTS, AT_REST, Oracle, answered, judged, parted
from overbooked.journeys.buying import Purchase, repeats
from overbooked.journeys.purchases import LATER_S
from overbooked.journeys.retrying_client import TRIES, Insisting
from overbooked.journeys.together import some_at_a_time
from overbooked.targets.adapter import Capability, Slot
from overbooked.targets.errors import TargetFailed
from overbooked.targets.person import Person
from overbooked.targets.system import System

LINKS = ("app->postgres", "app->redis", "app->provider")
# A client who never learns whether a checkout was begun begins another; the place of the first is held.
PLACES = 4
_REPEATS = 2
BY_CLIENT, BY_ITSELF = "the client asks again", "the system recovers"


class CheckoutTrial:
    """One purchase by a person of its own, on a slot of its own."""

    def __init__(self, system: System, who: Person, slot: Slot) -> None:
        self.findings = Findings()
        self.patient = False
        self.slot = slot
        self.purchase: Purchase | None = None
        self._system = system
        self.who = who

    async def ready(self) -> None:
        """Nothing more than the person and the slot is needed."""

    async def play(self, replica: int, mark: Mark) -> None:
        """Buy, insistently."""
        client = Insisting(self._system, self.who, self.slot, replica=replica, at=mark)
        self.purchase = client.purchase
        await client.buys()

    async def glance(self) -> None:
        """Judge what must hold at every moment."""
        judged(await self._system.state(slots=[self.slot]), ALWAYS, self.findings)

    async def recover(self, replica: int, way: str) -> None:
        """The client comes back with his key, or the system's own recovery comes by."""
        for n in range(TRIES):
            if way == BY_ITSELF:
                with suppress(TargetFailed):
                    await self._system.recover()
                    return
            elif (
                self.begun is None
                or not (await repeats(self._system, self.begun, replica=replica + n)).unknown
            ):
                return

    @property
    def begun(self) -> Purchase | None:
        """The purchase, once there is a checkout to pay for."""
        purchase = self.purchase
        return purchase if purchase is not None and purchase.checkout is not None else None

    @property
    def undecided(self) -> bool:
        """Whether the client knows of a checkout and not of its end."""
        return self.begun is not None and self.begun.outcome is None

    @property
    def done(self) -> bool:
        """Whether the client was told that it has its place."""
        outcome = self.begun.outcome if self.begun is not None else None
        return outcome is not None and outcome.ok


class CheckoutJourney:
    """Checkouts of one system."""

    name = "checkout"
    links: Sequence[str] = LINKS
    replica: int | None = None
    aspects: Mapping[str, str] = ASPECTS
    recoveries: Sequence[str] = (BY_CLIENT, BY_ITSELF)

    def __init__(self, system: System) -> None:
        self._system = system
        self._known: CheckoutTrial | None = None

    async def prepare(self, n: int) -> Sequence[CheckoutTrial]:
        """A new customer and a new slot for each trial; webhooks are kept back, as a webhook in time
        would finish what the service left half done."""
        if self._known is None and Capability.WEBHOOKS in self._system.adapter.capabilities:
            await self._system.hold_deliveries()
        people = await self._system.customers(n)
        slots = [await self._system.open_slot(capacity=PLACES) for _ in range(n)]
        return [CheckoutTrial(self._system, *pair) for pair in zip(people, slots, strict=True)]

    async def probe(self, replica: int) -> None:
        """Somebody reads his checkout."""
        if self._known is None:
            (self._known,) = await self.prepare(1)
            await self._known.play(replica, lambda step: None)
        known = self._known
        if known.begun is not None:
            answer = await self._system.do(known.who.reads(str(known.begun.checkout)), replica=replica)
            if answer.status == 401:  # the clock has been moved since
                await self._system.log_in(known.who)

    async def later(self) -> None:
        """The lease of whoever was paying has run out."""
        await self._system.advance(LATER_S)

    async def finish(self, trials: Sequence[CheckoutTrial]) -> None:
        """Who does not know and has no patience comes back before recovery, the others after it; then
        everybody asks again, at every replica."""
        system = self._system
        await self.later()
        first = [trial for trial in trials if trial.undecided and not trial.patient]
        await some_at_a_time([system.log_in(trial.who) for trial in first])
        await some_at_a_time([repeats(system, _begun(trial)) for trial in first])
        await self._look(trials, ALWAYS)
        await system.settle()
        await self._look(trials, AT_REST)
        begun = [trial for trial in trials if trial.begun is not None]
        await some_at_a_time([system.log_in(trial.who) for trial in begun])
        for replica in range(_REPEATS):
            await some_at_a_time([repeats(system, _begun(trial), replica=replica) for trial in begun])
        await self._look(trials, AT_REST, answers=True)

    async def _look(
        self,
        trials: Sequence[CheckoutTrial],
        oracles: Sequence[tuple[str, Oracle]],
        *,
        answers: bool = False,
    ) -> None:
        slots = [trial.slot.id for trial in trials]
        states = parted(await self._system.state(slots=slots), slots)
        for trial in trials:
            state = states[trial.slot.id]
            judged(state, oracles, trial.findings)
            if answers and trial.begun is not None:
                answered(trial.begun, state, trial.findings)


def _begun(trial: CheckoutTrial) -> Purchase:
    assert trial.begun is not None
    return trial.begun
