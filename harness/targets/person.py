"""A person at the system's door: what he may do, as actions nobody has sent yet."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import cast

from harness.targets.claims import require
from harness.targets.port import (
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


class Person:
    """A customer with an account and a session, as scenarios speak of one.

    Args:
        nick: the short name in lanes and timelines.
        customer: what the adapter knows of him.
        adapter: makes his actions.
        rng: where his idempotency keys come from.
    """

    __slots__ = ("_adapter", "_rng", "customer", "nick", "phone")

    def __init__(
        self, nick: str, customer: Customer, adapter: Adapter, rng: random.Random, *, phone: str = ""
    ) -> None:
        self.nick = nick
        self.phone = phone
        self.customer = customer
        self._adapter = adapter
        self._rng = rng

    def __repr__(self) -> str:
        return f"<{self.nick}>"

    def new_key(self) -> str:
        """An idempotency key he has not used before."""
        return f"{self.nick}-{self._rng.getrandbits(64):016x}"

    # -- booking -------------------------------------------------------------------------------

    def books(self, slot: Slot, *, key: str | None = None) -> Action:
        """Book a place without payment; facts when OK: `booking`."""
        return self._booking.book(self.customer, slot, key=key)

    def cancels(self, booking: str | Answer) -> Action:
        """Cancel a booking, his own or not."""
        return self._booking.cancel(self.customer, booking_in(booking))

    def reschedules(self, booking: str | Answer, to: Slot) -> Action:
        """Move a booking to another slot."""
        require(self._adapter, [Capability.RESCHEDULING])
        verbs = cast("ReschedulingVerbs", self._adapter)
        return verbs.reschedule(self.customer, booking_in(booking), to)

    # -- checkout ------------------------------------------------------------------------------

    def checks_out(
        self, slot: Slot, *, key: str | None = None, method: str = "card"
    ) -> Sequence[CheckoutStep]:
        """The requests of checkout in order, to be walked (`System.walk`).

        Args:
            key: the idempotency key of the payment; default a new one.
            method: "card", "declined card" or "bank".
        """
        return self._checkout.checkout(self.customer, slot, key=key or self.new_key(), method=method)

    def reads(self, checkout: str) -> Action:
        """Read a checkout, his own or not; facts: `state`, `price`, `details`, `hold`."""
        return self._checkout.read_checkout(self.customer, checkout)

    def resumes(self, checkout: str, *, key: str, method: str = "card") -> Action:
        """Pay a checkout that was begun before, by him or somebody else."""
        return self._checkout.resume(self.customer, checkout, key=key, method=method)

    def uses_lock(self, lock: str, slot: Slot) -> Action:
        """Begin a checkout with a price lock, maybe somebody else's or another slot's."""
        return self._checkout.use_lock(self.customer, lock, slot)

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
