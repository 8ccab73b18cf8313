"""A customer of the system under test; its methods return actions that are not sent yet."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from overbooked.capabilities import implementation
from overbooked.capabilities.booking import BOOKING
from overbooked.capabilities.checkout import CHECKOUT
from overbooked.capabilities.rescheduling import RESCHEDULING
from overbooked.targets.adapter import Account, Action, Adapter, Answer, CheckoutStep, Slot


class Products:
    """Chooses the product under which a slot is sold next, in turn; shared by the customers of a scenario."""

    def __init__(self) -> None:
        self._dealt: Counter[str] = Counter()
        self.owners: dict[str, str] = {}

    def offered(self, slot: Slot) -> Slot:
        """Return the slot with its next product."""
        if not slot.aliases:
            return slot
        turn = self._dealt[slot.id]
        self._dealt[slot.id] += 1
        return replace(slot, product=slot.aliases[turn % len(slot.aliases)])

    def opened(self, slot: Slot) -> None:
        """Record the slot that its aliases belong to."""
        self.owners.update(dict.fromkeys(slot.aliases, slot.id))


class Customer(Account):
    """A customer with an account and a session, for scenarios.

    It wraps the adapter's object, `account`: verbs of capabilities that are called with a customer receive
    that object.

    Args:
        account: the adapter's object; its `nick` is the short name in lanes and timelines.
        adapter: makes the customer's actions.
        rng: source of its idempotency keys.
        phone: its telephone number.
        products: chooses the product of a slot that it buys next.
    """

    __slots__ = ("_adapter", "_products", "_rng", "account", "phone")

    def __init__(
        self,
        account: Account,
        adapter: Adapter,
        rng: random.Random,
        *,
        phone: str = "",
        products: Products | None = None,
    ) -> None:
        self.account = account
        super().__init__(
            account.name, account.email, account.id, account.session, account.nick, account.cookies
        )
        self.phone = phone
        self._adapter = adapter
        self._rng = rng
        self._products = products or Products()

    # Customers are compared by identity, not by name.
    __eq__ = object.__eq__
    __hash__ = object.__hash__

    @property
    def session(self) -> Any:
        """The adapter's current session object."""
        return self.account.session

    @session.setter
    def session(self, session: Any) -> None:
        self.account.session = session

    def __repr__(self) -> str:
        return f"<{self.nick}>"

    def new_key(self) -> str:
        """Return a new idempotency key."""
        return f"{self.nick}-{self._rng.getrandbits(64):016x}"

    # -- booking -------------------------------------------------------------------------------

    def books(self, slot: Slot, *, key: str | None = None) -> Action:
        """Book a place without payment; facts when OK: `booking`."""
        verbs = implementation(self._adapter, BOOKING)
        return self._on(verbs.book(self.account, self._products.offered(slot), key=key), slot)

    def cancels(self, booking: str | Answer) -> Action:
        """Cancel a booking, of this customer or another one."""
        return self.does(implementation(self._adapter, BOOKING).cancel(self.account, booking_in(booking)))

    def reschedules(self, booking: str | Answer, to: Slot) -> Action:
        """Move a booking to another slot."""
        verbs = implementation(self._adapter, RESCHEDULING)
        to = self._products.offered(to)
        return self.does(verbs.reschedule(self.account, booking_in(booking), to))

    # -- checkout ------------------------------------------------------------------------------

    def checks_out(
        self, slot: Slot, *, key: str | None = None, method: str = "card"
    ) -> Sequence[CheckoutStep]:
        """Return the requests of checkout in order, for `System.walk`.

        Args:
            key: the idempotency key of the payment; default a new one.
            method: "card", "declined card" or "bank".
        """
        verbs = implementation(self._adapter, CHECKOUT)
        offered = self._products.offered(slot)
        steps = verbs.checkout(self.account, offered, key=key or self.new_key(), method=method)
        return [CheckoutStep(step.name, partial(self._built, step, slot)) for step in steps]

    def reads(self, checkout: str) -> Action:
        """Read a checkout, of this customer or another one; facts: `state`, `price`, `details`, `hold`."""
        return self.does(implementation(self._adapter, CHECKOUT).read_checkout(self.account, checkout))

    def resumes(self, checkout: str, *, key: str, method: str = "card") -> Action:
        """Pay a checkout that this customer or another one began."""
        return self.does(
            implementation(self._adapter, CHECKOUT).resume(self.account, checkout, key=key, method=method)
        )

    def uses_lock(self, lock: str, slot: Slot) -> Action:
        """Begin a checkout with a price lock, possibly of another customer or another slot."""
        verbs = implementation(self._adapter, CHECKOUT)
        return self._on(verbs.use_lock(self.account, lock, self._products.offered(slot)), slot)

    def _built(self, step: CheckoutStep, slot: Slot, facts: Mapping[str, Any]) -> Action:
        return self._on(step.build(facts), slot)

    def _on(self, action: Action, slot: Slot) -> Action:
        """Return the action with this customer's cookies; its `slot` is the slot's id for every product."""
        action = self.does(action)
        if slot.aliases and "slot" in action.args:
            action = replace(action, args={**action.args, "slot": slot.id})
        return action


def booking_in(named: str | Answer) -> str:
    """Return the id of a booking, given as such or by the answer that created it.

    Raises:
        ValueError: the answer has no booking.
    """
    if isinstance(named, str):
        return named
    booking = named.facts.get("booking")
    if not isinstance(booking, str):
        raise ValueError(f"this answer made no booking: {named}")
    return booking
