"""Checkouts that were interrupted: what was there is there still."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from overbooked.errors import GapFound
from overbooked.oracles.answers import told
from overbooked.targets.adapter import Answer, DurableState


def survives(read: Answer, before: Mapping[str, Any]) -> None:
    """An interrupted checkout is as it was: its place held, its price, and what was entered.

    Args:
        read: the answer to its owner's reading it, after a fresh login.
        before: what was known of it before the interruption (`price`, `details` once entered).
    """
    wanted = {"hold": True, "price": before["price"]}
    if "details" in before:
        wanted["details"] = before["details"]
    found = {name: read.facts.get(name) for name in wanted}
    if not read.ok or found != wanted:
        raise GapFound(
            "an interrupted checkout did not survive",
            expected=", ".join(f"{name} {value}" for name, value in wanted.items()),
            observed=told(read) if not read.ok else ", ".join(f"{n} {v}" for n, v in found.items()),
        )


def no_refusal_after_capture(answer: Answer, state: DurableState) -> None:
    """Nobody is told 401 whose money was taken, unless the booking was made all the same."""
    taken = [charge for charge in state.charges if charge.captured_minor > 0]
    booked = {row.checkout for row in state.bookings if row.status == "confirmed"}
    unserved = [charge for charge in taken if charge.checkout not in booked]
    if answer.status == 401 and unserved:
        raise GapFound(
            "a payment was refused for its session after the money was taken",
            expected="the booking completed, or nothing captured",
            observed=told(answer),
            operations=[
                f"charge {charge.id}: captured {charge.captured_minor} {charge.currency}, no booking"
                for charge in unserved
            ],
        )
