"""Checkout as a journey to be swept: quote, begin, details, pay, by a client that retries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial

from overbooked.capabilities.booking import BOOKING
from overbooked.capabilities.checkout import Settlement
from overbooked.capabilities.pricing import PRICING
from overbooked.capabilities.webhooks import WEBHOOKS
from overbooked.concurrency import run_limited
from overbooked.fault_points.journey import Findings, Mark
from overbooked.journeys.aspects import (
    ALWAYS,
    ASPECTS,
    AT_REST,
    HOLDS,
    Oracle,
    check_answers,
    check_aspects,
    check_told,
    split_by_slot,
)
from overbooked.journeys.buying import Purchase, repeat_payment
from overbooked.journeys.methods import events_arrive, transfers_arrive
from overbooked.journeys.purchases import LATER_S
from overbooked.journeys.retrying_client import TRIES, RetryingClient
from overbooked.oracles.capacity import every_place_is_sold
from overbooked.system.customer import Customer
from overbooked.system.system import System
from overbooked.targets.adapter import Money, Slot
from overbooked.targets.errors import TargetError

LINKS = ("app->postgres", "app->redis", "app->payments")
# A client that does not learn whether a checkout was begun begins another, while the first holds its place.
PLACES = 4
_REPEATS = 2
# Of so many runs that are judged together every free place is sold at the end.
FILLED = 4
BY_CLIENT, BY_ITSELF, BY_EVENTS = "the client asks again", "the system recovers", "the provider reports"
# The price after the payment was sent; whoever charges the current price instead of the quoted one is found.
DEARER = Money(3100)


class CheckoutTrial:
    """One purchase, with a separate customer and slot.

    Args:
        method: the method of payment.
        settles: how a payment by this method ends.
    """

    def __init__(
        self,
        system: System,
        who: Customer,
        slot: Slot,
        *,
        method: str = "card",
        settles: Settlement = Settlement.AT_ONCE,
    ) -> None:
        self.findings = Findings()
        self.patient = False
        self.slot = slot
        self.purchase: Purchase | None = None
        self._system = system
        self.who = who
        self._method = method
        self._settles = settles

    async def ready(self) -> None:
        """Do nothing; customer and slot are already prepared."""

    async def play(self, replica: int, mark: Mark) -> None:
        """Buy with a client that retries."""
        client = RetryingClient(
            self._system, self.who, self.slot, method=self._method, replica=replica, at=mark
        )
        self.purchase = client.purchase
        await client.buys()

    async def glance(self) -> None:
        """Check the oracles that hold at every moment, and what the client was told so far."""
        state = await self._system.state(slots=[self.slot])
        check_aspects(state, ALWAYS, self.findings)
        if self.begun is not None:
            check_told(self.begun, state, self.findings)

    async def recover(self, replica: int, way: str) -> None:
        """Retry with the same key, run the system's own recovery, or deliver the provider's events."""
        for n in range(TRIES):
            if way == BY_EVENTS:
                if self.begun is None or not await events_arrive(self._system, [str(self.begun.checkout)]):
                    return
            elif way == BY_ITSELF:
                with suppress(TargetError):
                    await self._system.jobs.recover()
                    return
            elif (
                self.begun is None
                or not (await repeat_payment(self._system, self.begun, replica=replica + n)).unknown
            ):
                return

    @property
    def begun(self) -> Purchase | None:
        """The purchase, once there is a checkout to pay for."""
        purchase = self.purchase
        return purchase if purchase is not None and purchase.checkout is not None else None

    @property
    def undecided(self) -> bool:
        """Whether the client has a checkout and does not know its outcome."""
        return self.begun is not None and self.begun.outcome is None

    @property
    def done(self) -> bool:
        """Whether the client was told what a payment by its method comes to: booked, pending or declined."""
        outcome = self.begun.outcome if self.begun is not None else None
        if outcome is None:
            return False
        if self._settles is Settlement.DECLINED:
            return outcome.refused
        return outcome.ok and outcome.pending is (self._settles is Settlement.LATER)


class CheckoutJourney:
    """Checkouts of one system, paid by one method.

    Args:
        method: the method of payment.
        settles: how a payment by this method ends without a fault.
        reported: what is left undecided is completed by the provider's events, before the system's own
            recovery, unless the client is the first.
    """

    links: Sequence[str] = LINKS
    replica: int | None = None
    aspects: Mapping[str, str] = ASPECTS

    def __init__(
        self,
        system: System,
        method: str = "card",
        settles: Settlement = Settlement.AT_ONCE,
        *,
        reported: bool = False,
    ) -> None:
        self._system = system
        self._method = method
        self._settles = settles
        self._reported = reported
        self._known: CheckoutTrial | None = None

    @property
    def name(self) -> str:
        """`checkout`, with the method unless it is a card, and whether the provider's events complete it."""
        by = "" if self._method == "card" else f"-by-{self._method.replace(' ', '-')}"
        return f"checkout{by}{'-reported' if self._reported else ''}"

    @property
    def recoveries(self) -> Sequence[str]:
        """The client's repeat, the system's own recovery, and the provider's events if the target has any."""
        own = (BY_CLIENT, BY_ITSELF)
        return (*own, BY_EVENTS) if self._system.offers(WEBHOOKS) and self._reported else own

    async def prepare(self, n: int) -> Sequence[CheckoutTrial]:
        """Make a new customer and slot for each run. Webhooks are held, because one could complete work that
        the service left unfinished."""
        if self._known is None and self._system.offers(WEBHOOKS):
            await self._system.webhooks.hold_deliveries(True)
        # Two runs are two checkouts of one customer, each with a session of its own.
        people = await self._system.customers(-(-n // 2))
        people += [await self._system.second_session(who) for who in people[: n // 2]]
        private = self._system.offers(PRICING)
        slots = await run_limited(
            [self._system.open_slot(capacity=PLACES, private_venue=private) for _ in range(n)]
        )
        return [
            CheckoutTrial(self._system, who, slot, method=self._method, settles=self._settles)
            for who, slot in zip(people, slots, strict=True)
        ]

    async def probe(self, replica: int) -> None:
        """Read a checkout as its owner."""
        if self._known is None:
            (self._known,) = await self.prepare(1)
            await self._known.play(replica, lambda step: None)
        known = self._known
        if known.begun is not None:
            answer = await self._system.do(known.who.reads(str(known.begun.checkout)), replica=replica)
            if answer.status == 401:  # the session expired because the clock was advanced
                await self._system.sessions.log_in(known.who)

    async def later(self) -> None:
        """Advance the clock past the lease of a payment in progress."""
        await self._system.clock.advance(LATER_S)

    async def finish(self, trials: Sequence[CheckoutTrial]) -> None:
        """Judge all runs. Impatient clients with an unknown outcome retry before recovery, the others after
        it; then every client retries at every replica.

        Meanwhile the price has changed. A client that retries before recovery does so at every replica at
        once. Payments that settle later arrive after the system's own recovery, those of every second patient
        client when another customer has taken every free place; if the journey is `reported`, they arrive
        before it, and the events of patient clients' payments too. At the end a payment with another key
        changes nothing, and every place that is not booked can be.
        """
        system = self._system
        await self.later()
        await self._reprice(trials)
        first = [trial for trial in trials if trial.undecided and not trial.patient]
        await self._log_in(first)
        await run_limited(
            [
                repeat_payment(system, _begun(trial), replica=replica)
                for trial in first
                for replica in range(_REPEATS)
            ]
        )
        await self._settle_later([trial for trial in trials if trial.begun is not None])
        await self._look(trials, ALWAYS)
        await system.jobs.settle()
        await self._look(trials, AT_REST)
        begun = [trial for trial in trials if trial.begun is not None]
        await self._log_in(begun)
        for replica in range(_REPEATS):
            await run_limited([repeat_payment(system, _begun(trial), replica=replica) for trial in begun])
        await self._look(trials, AT_REST, answers=True)
        if self._settles is Settlement.AT_ONCE:
            await run_limited([self._pay_anew(_begun(trial)) for trial in begun])
            await self._look(trials, AT_REST)
        if self._system.offers(BOOKING):
            filled = trials[:FILLED]
            await self._fill(filled)
            await self._look(filled, ((HOLDS, partial(every_place_is_sold, capacity=PLACES)),))

    async def _log_in(self, trials: Sequence[CheckoutTrial]) -> None:
        people = {id(trial.who): trial.who for trial in trials}
        await run_limited([self._system.sessions.log_in(who) for who in people.values()])

    async def _pay_anew(self, purchase: Purchase) -> None:
        """Pay with another key, as a client does that has forgotten its own."""
        who = purchase.who
        await self._system.do(who.resumes(str(purchase.checkout), key=who.new_key(), method=purchase.method))

    async def _fill(self, trials: Sequence[CheckoutTrial]) -> None:
        """Have another customer book every free place of these runs' slots."""
        if not trials:
            return
        (rival,) = await self._system.customers(1)
        await run_limited(
            [self._system.do(rival.books(trial.slot)) for trial in trials for _ in range(trial.slot.capacity)]
        )

    async def _reprice(self, trials: Sequence[CheckoutTrial]) -> None:
        """Change the price of every slot, so that a charge of the current price is not the quoted one."""
        if self._system.offers(PRICING):
            pricing = self._system.pricing
            way = pricing.repricings[0]
            await run_limited([pricing.reprice(trial.slot, way, DEARER) for trial in trials])

    async def _settle_later(self, begun: Sequence[CheckoutTrial]) -> None:
        """Let pending payments arrive, and have the events of patient clients' payments delivered."""
        if self._settles is Settlement.LATER:
            if not self._reported:
                await self._system.jobs.recover()
                if self._system.offers(BOOKING):
                    await self._fill([trial for trial in begun if trial.patient][1::2])
            await transfers_arrive(self._system, [str(_begun(trial).checkout) for trial in begun])
        if self._reported:
            patient = [trial for trial in begun if trial.patient]
            await events_arrive(self._system, [str(_begun(trial).checkout) for trial in patient])

    async def _look(
        self,
        trials: Sequence[CheckoutTrial],
        oracles: Sequence[tuple[str, Oracle]],
        *,
        answers: bool = False,
    ) -> None:
        slots = [trial.slot.id for trial in trials]
        states = split_by_slot(await self._system.state(slots=slots), slots)
        for trial in trials:
            state = states[trial.slot.id]
            check_aspects(state, oracles, trial.findings)
            if answers and trial.begun is not None:
                check_answers(trial.begun, state, trial.findings)


def _begun(trial: CheckoutTrial) -> Purchase:
    assert trial.begun is not None
    return trial.begun
