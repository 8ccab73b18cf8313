"""Checks of checkouts: an interrupted checkout is preserved."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from overbooked.capabilities.durable_state import DurableState
from overbooked.errors import GapFound
from overbooked.oracles.answers import accepted, describe
from overbooked.oracles.holds import no_hold_left
from overbooked.oracles.money import charged, charged_once, paid_bookings
from overbooked.oracles.payments import recorded_once
from overbooked.targets.adapter import Account, Answer, Money


def survives(read: Answer, before: Mapping[str, Any], *, held: bool = True) -> None:
    """An interrupted checkout is unchanged: its hold, its price, and the details entered.

    Args:
        read: the answer to its owner's read request, after a new login.
        before: the checkout's facts before the interruption (`price`, and `details` once entered).
        held: whether its place must be held; False for a checkout that is paid.
    """
    wanted = {"price": before["price"]} | ({"hold": True} if held else {})
    if "details" in before:
        wanted["details"] = before["details"]
    found = {name: read.facts.get(name) for name in wanted}
    if not read.ok or found != wanted:
        raise GapFound(
            "an interrupted checkout was not preserved",
            expected=", ".join(f"{name} {value}" for name, value in wanted.items()),
            observed=describe(read) if not read.ok else ", ".join(f"{n} {v}" for n, v in found.items()),
        )


def same_checkout(before: Answer, now: Answer) -> None:
    """A checkout is as it was: every fact of its owner's two reads is equal."""
    accepted(now, "the owner can no longer read a checkout")
    wrong = {
        name: (before.facts.get(name), now.facts.get(name))
        for name in dict.fromkeys([*before.facts, *now.facts])
        if before.facts.get(name) != now.facts.get(name)
    }
    if wrong:
        raise GapFound(
            "a checkout changed although nothing may change",
            expected=", ".join(f"{name} {was}" for name, (was, _) in wrong.items()),
            observed=", ".join(f"{name} {found}" for name, (_, found) in wrong.items()),
        )


def requested_once(state: DurableState, checkout: str) -> None:
    """A checkout has exactly one charge at the provider, captured or not."""
    charges = [charge for charge in state.charges if charge.checkout == checkout]
    if len(charges) != 1:
        raise GapFound(
            "a payment is requested twice" if charges else "a payment is not requested",
            expected=f"one charge at the provider for checkout {checkout}",
            observed=f"{len(charges)}",
            operations=[f"charge {charge.id}, captured {charge.captured_minor}" for charge in charges],
        )


def bought_once(state: DurableState, checkout: str, price: Money, by: Account) -> None:
    """A checkout ended in one booking of its customer and one charge at this price; nothing else is left.

    The records and the ledger agree with the provider, and no hold is live. What costs nothing is booked
    without a charge. For durable state at rest, restricted to the slot of the checkout.
    """
    charged_once(state)
    charged(state, checkout, price)
    bookings = [row for row in state.bookings if row.status == "confirmed"]
    if price.minor or len(bookings) != 1:
        paid_bookings(state, 1)
        recorded_once(state)
    (booked,) = bookings
    if booked.checkout != checkout or (by.id and booked.customer != by.id):
        raise GapFound(
            "a booking is not that of the customer who paid",
            expected=f"a booking by {by.id} of checkout {checkout}",
            observed=f"booking {booked.id} by {booked.customer} of checkout {booked.checkout}",
        )
    no_hold_left(state)


def no_refusal_after_capture(answer: Answer, state: DurableState) -> None:
    """A payment is not answered 401 after money was captured, unless the booking exists."""
    taken = [charge for charge in state.charges if charge.captured_minor > 0]
    booked = {row.checkout for row in state.bookings if row.status == "confirmed"}
    unserved = [charge for charge in taken if charge.checkout not in booked]
    if answer.status == 401 and unserved:
        raise GapFound(
            "a payment was answered 401 after the money was captured",
            expected="a completed booking, or nothing captured",
            observed=describe(answer),
            operations=[
                f"charge {charge.id}: captured {charge.captured_minor} {charge.currency}, no booking"
                for charge in unserved
            ],
        )
