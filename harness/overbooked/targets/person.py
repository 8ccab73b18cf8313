"""A person at the system's door: what it may do, as actions that have not been sent yet."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, cast

from overbooked.targets.adapter import (
    Action,
    Adapter,
    Answer,
    BookingVerbs,
    Capability,
    CheckoutStep,
    CheckoutVerbs,
    Customer,
    ReschedulingVerbs,
    Slot,
)
from overbooked.targets.claims import require


class Products:
    """Deals the names a slot is sold by out in turn; shared by the persons of one scenario."""

    def __init__(self) -> None:
        self._dealt: Counter[str] = Counter()
        self.owners: dict[str, str] = {}

    def offered(self, slot: Slot) -> Slot:
        """The slot under the product whose turn it is."""
        if not slot.aliases:
            return slot
        turn = self._dealt[slot.id]
        self._dealt[slot.id] += 1
        return replace(slot, product=slot.aliases[turn % len(slot.aliases)])

    def opened(self, slot: Slot) -> None:
        """Remember whose aliases these are."""
        self.owners.update(dict.fromkeys(slot.aliases, slot.id))


class Person:
    """A customer with an account and a session, as scenarios speak of one.

    Args:
        nick: the short name in lanes and timelines.
        customer: the adapter's own object for the person.
        adapter: makes the person's actions.
        rng: where the person's idempotency keys come from.
        products: which product of a slot is bought next.
    """

    __slots__ = ("_adapter", "_products", "_rng", "customer", "nick", "phone")

    def __init__(
        self,
        nick: str,
        customer: Customer,
        adapter: Adapter,
        rng: random.Random,
        *,
        phone: str = "",
        products: Products | None = None,
    ) -> None:
        self.nick = nick
        self.phone = phone
        self.customer = customer
        self._adapter = adapter
        self._rng = rng
        self._products = products or Products()

    def __repr__(self) -> str:
        return f"<{self.nick}>"

    def new_key(self) -> str:
        """An idempotency key that this person has not used before."""
        return f"{self.nick}-{self._rng.getrandbits(64):016x}"

    # -- booking -------------------------------------------------------------------------------

    def books(self, slot: Slot, *, key: str | None = None) -> Action:
        """Book a place without payment; facts when OK: `booking`."""
        verbs = self._booking
        return self._does(verbs.book(self.customer, self._products.offered(slot), key=key), slot)

    def cancels(self, booking: str | Answer) -> Action:
        """Cancel a booking, this person's own or not."""
        return self.customer.does(self._booking.cancel(self.customer, booking_in(booking)))

    def reschedules(self, booking: str | Answer, to: Slot) -> Action:
        """Move a booking to another slot."""
        require(self._adapter, [Capability.RESCHEDULING])
        verbs = cast("ReschedulingVerbs", self._adapter)
        to = self._products.offered(to)
        return self.customer.does(verbs.reschedule(self.customer, booking_in(booking), to))

    # -- checkout ------------------------------------------------------------------------------

    def checks_out(
        self, slot: Slot, *, key: str | None = None, method: str = "card"
    ) -> Sequence[CheckoutStep]:
        """The requests of checkout in order, to be walked (`System.walk`).

        Args:
            key: the idempotency key of the payment; default a new one.
            method: "card", "declined card" or "bank".
        """
        verbs = self._checkout
        offered = self._products.offered(slot)
        steps = verbs.checkout(self.customer, offered, key=key or self.new_key(), method=method)
        return [CheckoutStep(step.name, partial(self._built, step, slot)) for step in steps]

    def reads(self, checkout: str) -> Action:
        """Read a checkout, this person's own or not; facts: `state`, `price`, `details`, `hold`."""
        return self.customer.does(self._checkout.read_checkout(self.customer, checkout))

    def resumes(self, checkout: str, *, key: str, method: str = "card") -> Action:
        """Pay a checkout that was begun before, by this person or another."""
        return self.customer.does(self._checkout.resume(self.customer, checkout, key=key, method=method))

    def uses_lock(self, lock: str, slot: Slot) -> Action:
        """Begin a checkout with a price lock, maybe somebody else's or another slot's."""
        verbs = self._checkout
        return self._does(verbs.use_lock(self.customer, lock, self._products.offered(slot)), slot)

    def _built(self, step: CheckoutStep, slot: Slot, facts: Mapping[str, Any]) -> Action:
        return self._does(step.build(facts), slot)

    def _does(self, action: Action, slot: Slot) -> Action:
        """With this person's cookies; histories name the places, by whatever product they are sold."""
        action = self.customer.does(action)
        if slot.aliases and "slot" in action.args:
            action = replace(action, args={**action.args, "slot": slot.id})
        return action

    @property
    def _booking(self) -> BookingVerbs:
        require(self._adapter, [Capability.BOOKING])
        return cast("BookingVerbs", self._adapter)

    @property
    def _checkout(self) -> CheckoutVerbs:
        require(self._adapter, [Capability.CHECKOUT])
        return cast("CheckoutVerbs", self._adapter)


def booking_in(named: str | Answer) -> str:
    """The booking's id, given as such or in the answer that made it.

    Raises:
        ValueError: the answer made no booking.
    """
    if isinstance(named, str):
        return named
    booking = named.facts.get("booking")
    if not isinstance(booking, str):
        raise ValueError(f"this answer made no booking: {named}")
    return booking
