"""Payments that the provider has processed and whose events the service has not received."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from overbooked.capabilities.durable_state import DurableState
from overbooked.capabilities.webhooks import (
    FAILS,
    FAILS_REFUND,
    FAILS_TO_PAY_OUT,
    PAYS,
    PAYS_OUT,
    REFUNDS,
    ProviderEvent,
)
from overbooked.concurrency import run_limited
from overbooked.journeys.buying import begin_checkout, buy
from overbooked.system.customer import Customer
from overbooked.system.system import System
from overbooked.targets.adapter import Slot
from overbooked.targets.errors import TargetError

CARD, BANK, DECLINED, INTERRUPTED = "card", "bank", "declined card", "interrupted card"
# Maximum number of deliveries that a system may fail before it acknowledges the event as a dead letter.
_ROUNDS = 12
# Purchases that are made at a time.
AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class PaymentStory:
    """What happens to one payment: its method, and what the provider does, in order.

    Args:
        name: a short name.
        method: "card", "declined card", "bank", or "interrupted card": the service begins the payment and
            never gets the provider's answer.
        steps: what the provider does (`overbooked.capabilities.webhooks`), with amounts in minor units.
    """

    name: str
    method: str
    steps: tuple[tuple[str, int], ...] = ()

    @property
    def reported_only(self) -> bool:
        """Whether the service learns only from events how the payment ended."""
        return self.method in (BANK, INTERRUPTED)

    @property
    def for_a_person(self) -> bool:
        """Whether money is owed at the end that the provider could not pay out, so that a person must act."""
        return any(step == FAILS_TO_PAY_OUT for step, _ in self.steps)


def refunded(*minor: int) -> tuple[tuple[str, int], ...]:
    """Return the steps of some refunds."""
    return tuple((REFUNDS, each) for each in minor)


_PAID, _FAILED = (PAYS, 0), (FAILS, 0)
# Every kind of event by every method of payment, for a price of 2500. Two refunds are equal, because a system
# could take the second for the first; two add up to the price, because the last one ends the booking.
STORIES = (
    PaymentStory("card", CARD),
    PaymentStory("card, refunded twice alike", CARD, refunded(400, 400)),
    PaymentStory("card, refunded", CARD, refunded(2500)),
    PaymentStory("card, refunded in two parts", CARD, refunded(1300, 1200)),
    PaymentStory("card, a refund fails", CARD, ((FAILS_REFUND, 700), *refunded(700))),
    PaymentStory("card, declined", DECLINED),
    PaymentStory("card, cancelled, refund paid out", CARD, ((PAYS_OUT, 0),)),
    PaymentStory("card, cancelled, refund not paid out", CARD, ((FAILS_TO_PAY_OUT, 0),)),
    PaymentStory("card, interrupted", INTERRUPTED, (_PAID,)),
    PaymentStory("card, interrupted, refunded twice alike", INTERRUPTED, (_PAID, *refunded(400, 400))),
    PaymentStory("bank", BANK, (_PAID,)),
    PaymentStory("bank, refunded twice alike", BANK, (_PAID, *refunded(400, 400))),
    PaymentStory("bank, refunded", BANK, (_PAID, *refunded(2500))),
    PaymentStory("bank, refunded in two parts", BANK, (_PAID, *refunded(1300, 1200))),
    PaymentStory("bank, a refund fails", BANK, (_PAID, (FAILS_REFUND, 700), *refunded(700))),
    PaymentStory("bank, failed", BANK, (_FAILED,)),
)


def stories(system: System, *, for_a_person: bool = False) -> Sequence[PaymentStory]:
    """Return the stories that the target's provider can be made to tell.

    Args:
        for_a_person: return those that end with a person instead of those that end by themselves.
    """
    does = system.webhooks.provider_does()
    return [
        story
        for story in STORIES
        if story.method in does
        and all(step in does[story.method] for step, _ in story.steps)
        and story.for_a_person == for_a_person
    ]


@dataclass(frozen=True, slots=True)
class UndeliveredPayment:
    """A payment whose events are in the provider's journal and were not delivered.

    Args:
        system: the system on which it was made.
        slot: the slot that was bought; nothing else uses it.
        events: the events, oldest first.
        story: what happened to it.
    """

    system: System
    slot: Slot
    checkout: str
    charge: str
    events: Sequence[ProviderEvent]
    story: PaymentStory = STORIES[0]

    async def state(self) -> DurableState:
        """Return the records of the payment in the service and at the provider."""
        return await self.system.state(checkouts=[self.checkout])

    async def unacknowledged(self) -> list[ProviderEvent]:
        """Return the events that the provider would deliver again."""
        return [event for event in await self.system.webhooks.events([self.charge]) if not event.acknowledged]

    async def deliver_all(self, *, besides: Collection[str] = ()) -> int:
        """Deliver unacknowledged events, oldest first, until none is left or the limit of rounds is reached.

        Args:
            besides: ids of events that the system acknowledged to another sender than the provider, e.g. in a
                race; the provider would not deliver them again.

        Returns:
            The number of deliveries; 0 if every event was already acknowledged.
        """
        deliveries = 0
        for _ in range(_ROUNDS):
            waiting = [event for event in await self.unacknowledged() if event.id not in besides]
            if not waiting:
                break
            for event in waiting:
                await self.system.webhooks.redeliver(event)
            deliveries += len(waiting)
        return deliveries


async def pay_undelivered(
    system: System, who: Customer, *, method: str = BANK, refunds: Sequence[int] = ()
) -> UndeliveredPayment:
    """Buy a place and make the provider capture and refund money, without delivery of its events. The
    provider's deliveries must be held (`System.webhooks.hold_deliveries`).

    Args:
        method: a "bank" payment is reported only by webhook; the service knows of a "card" payment from
        its own calls, and the events only confirm it.
        refunds: amounts to refund at the provider, in minor units, in order.

    Raises:
        TargetError: as `tell`.
    """
    paid = (_PAID,) if method == BANK else ()
    return await tell(system, who, PaymentStory(method, method, (*paid, *refunded(*refunds))))


async def tell(system: System, who: Customer, story: PaymentStory) -> UndeliveredPayment:
    """Buy a place and let the story happen at the provider. Its events are not delivered; they must be held.

    Raises:
        TargetError: the payment was not answered as its method says, there is not exactly one charge, or an
            event was delivered.
    """
    slot = await system.open_slot()
    if story.method == INTERRUPTED:
        bought = await begin_checkout(system, who, slot)
        fits = bought.stopped_by is None
    else:
        bought = await buy(system, who, slot, method=story.method)
        answer = bought.outcome
        fits = answer is not None and (answer.refused if story.method == DECLINED else answer.ok)
    if bought.checkout is None or not fits:
        raise TargetError(
            f"wanted {who!r} to buy a place by {story.method}, got {bought.stopped_by or bought.outcome}"
        )
    charge = ""
    for step, minor in story.steps:
        if step not in (PAYS, FAILS) and not charge:
            charge = await _charge(system, bought.checkout)
        await _happens(system, step, bought.checkout, charge, minor)
    charge = charge or await _charge(system, bought.checkout)
    events = await system.webhooks.events([charge])
    told = [event.id for event in events if event.acknowledged]
    if told or not events:
        raise TargetError(f"wanted undelivered events of charge {charge}, found delivered: {told}")
    return UndeliveredPayment(system, slot, bought.checkout, charge, events, story)


async def tell_all(system: System, who: Customer, told: Sequence[PaymentStory]) -> list[UndeliveredPayment]:
    """Let several stories happen, each to a payment of its own, some at a time.

    Those in which the service refunds run alone, because they change how the provider treats refunds.
    """
    alone = [story for story in told if {PAYS_OUT, FAILS_TO_PAY_OUT} & {step for step, _ in story.steps}]
    made = {story.name: await tell(system, who, story) for story in alone}
    others = [story for story in told if story not in alone]
    made |= {
        payment.story.name: payment
        for payment in await run_limited([tell(system, who, story) for story in others], AT_ONCE)
    }
    return [made[story.name] for story in told]


async def state_of(payments: Sequence[UndeliveredPayment]) -> DurableState:
    """Return the records of some payments of one system, in one look."""
    return await payments[0].system.state(checkouts=[payment.checkout for payment in payments])


async def _happens(system: System, step: str, checkout: str, charge: str, minor: int) -> None:
    match step:
        case "pays":
            await system.webhooks.provider_pays(checkout)
        case "fails":
            await system.webhooks.provider_fails(checkout)
        case "refunds":
            await system.webhooks.provider_refunds(charge, minor)
        case "pays out a refund" | "fails to pay out a refund":
            await system.webhooks.service_refunds(checkout)
            await system.webhooks.provider_settles_refunds(charge, step == PAYS_OUT)
        case _:
            await system.webhooks.provider_fails_refund(charge, minor)


async def _charge(system: System, checkout: str) -> str:
    charges = (await system.state(checkouts=[checkout])).charges
    if len(charges) != 1:
        raise TargetError(f"wanted one charge for checkout {checkout}, found {len(charges)}")
    return charges[0].id
