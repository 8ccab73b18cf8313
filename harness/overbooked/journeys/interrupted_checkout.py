"""A checkout that is interrupted before a request: what its owner and a stranger do with it then."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from overbooked.capabilities.checkout import Settlement
from overbooked.errors import GapFound
from overbooked.journeys.methods import events_arrive, payment_methods
from overbooked.observe.polling import eventually
from overbooked.oracles.checkouts import bought_once, requested_once, survives
from overbooked.oracles.prices import price_kept
from overbooked.system.customer import Customer
from overbooked.system.system import System
from overbooked.targets.adapter import Action, Answer, CheckoutStep, Money, Slot
from overbooked.targets.errors import TargetError

# Seconds within which the provider's report of a capture takes effect.
_DELIVERED_S = 10.0


def booking_methods(system: System) -> tuple[str, ...]:
    """Return the methods of payment by which a checkout of the target can end in a booking."""
    return tuple(
        name for name, settlement in payment_methods(system).items() if settlement is not Settlement.DECLINED
    )


def settles_later(system: System, method: str) -> bool:
    """Whether the provider captures a payment by this method after it was answered."""
    return payment_methods(system)[method] is Settlement.LATER


def requests_of_checkout(who: Customer, slot: Slot) -> tuple[str, ...]:
    """Return the names of the HTTP requests of a checkout, in order."""
    return tuple(step.name for step in who.checks_out(slot))


async def read_checkout(system: System, who: Customer, facts: Mapping[str, Any]) -> Answer | None:
    """Read the checkout of these facts; None if it has not begun."""
    return await system.do(who.reads(str(facts["checkout"]))) if "checkout" in facts else None


async def try_request(
    system: System,
    who: Customer,
    steps: Sequence[CheckoutStep],
    name: str,
    facts: Mapping[str, Any],
    *,
    session: Any = None,
    replicas: Sequence[int] = (0, 1),
) -> list[Answer]:
    """Send one request of a checkout to each replica, and the read of the checkout, if it has begun, to one.

    Args:
        name: the step's name; a name without a step sends the read alone.
        session: the session to send them with; default the customer's present one.
        replicas: the replicas that the request is sent to; the last one gets the read.
    """
    present, who.session = who.session, session or who.session
    try:
        sent = [(step.build(facts), replica) for step in steps for replica in replicas if step.name == name]
        if "checkout" in facts:
            sent.append((who.reads(str(facts["checkout"])), replicas[-1]))
        return [await system.do(action, replica=replica) for action, replica in sent]
    finally:
        who.session = present


async def log_in_afresh(system: System, who: Customer) -> None:
    """Log a customer in whose session has ended. It must be possible, as it is for anybody else.

    Raises:
        GapFound: the system refuses it, and registers and logs in somebody else.
        TargetError: nobody can log in.
    """
    try:
        await system.sessions.log_in(who)
    except TargetError as refused:
        await system.customers(1)
        raise GapFound(
            "a customer whose session has ended cannot log in again",
            expected="a new session",
            observed=str(refused),
        ) from refused


def quoted_price(answers: Sequence[Answer]) -> Money:
    """Return the price of the first answer that names one: the quote.

    Raises:
        TargetError: no answer names a price.
    """
    for answer in answers:
        price = answer.facts.get("price")
        if isinstance(price, Money):
            return price
    raise TargetError("no answer of the checkout names a price; have the adapter give the fact `price`")


async def is_bought(
    system: System,
    who: Customer,
    slot: Slot,
    answers: Sequence[Answer],
    facts: Mapping[str, Any],
    method: str,
) -> None:
    """A checkout ended in one booking and one charge at the quoted price, in every record and every answer.

    A payment that settles later is captured first, by the provider, which must deliver its events.

    Args:
        answers: every answer to its customer, the quote first.
        facts: the facts of the checkout; the details in them must be there still.
    """
    checkout, price = str(facts["checkout"]), quoted_price(answers)
    price_kept(answers, price)
    if settles_later(system, method) and price.minor:
        requested_once(await system.state(slots=[slot]), checkout)
        await system.webhooks.provider_pays(checkout)
    look = partial(system.state, slots=[slot])
    oracle = partial(bought_once, checkout=checkout, price=price, by=who)
    try:
        await eventually(look, oracle, within_s=_DELIVERED_S)
    except GapFound:
        # On a busy machine a delivery may have failed, and the provider repeats it later: it is made now.
        if not settles_later(system, method) or not await events_arrive(system, [checkout]):
            raise
        await eventually(look, oracle)
    survives(await system.do(who.reads(checkout)), {**facts, "price": price}, held=False)


def strangers_requests(
    stranger: Customer,
    slot: Slot,
    other: Slot,
    facts: Mapping[str, Any],
    *,
    key: str,
    methods: Sequence[str],
) -> Iterator[Action]:
    """Yield the requests by which a customer tries to read, fill in, resume and pay another one's checkout.

    Every step of checkout that uses a fact of the owner's checkout, with each method of payment, under a key
    of the stranger's own and under the owner's; and the price lock for another slot.
    """
    if "lock" in facts:
        yield stranger.uses_lock(str(facts["lock"]), other)
    if "checkout" in facts:
        yield stranger.reads(str(facts["checkout"]))
    for method in methods:
        for used in (stranger.new_key(), key):
            for step in stranger.checks_out(slot, key=used, method=method):
                known = _Facts(facts)
                try:
                    attempt = step.build(known)
                except KeyError:  # the owner has not come so far
                    continue
                if known.used:
                    yield attempt


class _Facts(dict[str, Any]):
    """Facts that remember whether any was used."""

    used = False

    def __getitem__(self, name: str) -> Any:
        self.used = True
        return super().__getitem__(name)
