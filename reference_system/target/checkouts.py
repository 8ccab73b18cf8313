"""Checkout: quote, begin, details, pay, and further requests about a checkout."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from overbooked.capabilities.checkout import CHECKOUT, Settlement
from overbooked.targets.adapter import Account, Action, CheckoutStep, Slot
from reference_system.target.checkout_records import CHECKOUT_RECORDS
from reference_system.target.connections import Connections
from reference_system.target.parts import offers
from reference_system.target.requests import action, price, request
from reference_system.target.sessions import token_of

# The provider's parameters for each method of payment.
PAYMENTS: Mapping[str, Mapping[str, str]] = {
    "card": {"method": "card", "token": "tok_visa"},
    "declined card": {"method": "card", "token": "tok_declined"},
    "bank": {"method": "bank", "token": "tok_iban"},
}
ENTERED = {"phone": "+44 7700 900123", "note": "by the window"}


@offers(CHECKOUT, records=CHECKOUT_RECORDS)
class Checkouts:
    """The steps of checkout, each one request."""

    methods: Mapping[str, Settlement] = {
        "card": Settlement.AT_ONCE,
        "declined card": Settlement.DECLINED,
        "bank": Settlement.LATER,
    }

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    def checkout(self, who: Account, slot: Slot, *, key: str, method: str = "card") -> Sequence[CheckoutStep]:
        """`quote`, `begin`, `details`, `pay`.

        Facts: quote `lock`, `price`; begin `checkout`, `price`; details `details`; pay `booking`,
        `price`, or `pending` if the provider reports the payment later.
        """
        return (
            CheckoutStep("quote", lambda _: self.quote(who, slot)),
            CheckoutStep("begin", lambda known: self.use_lock(who, str(known["lock"]), slot)),
            CheckoutStep("details", lambda known: self._enter(who, str(known["checkout"]))),
            CheckoutStep(
                "pay", lambda known: self.resume(who, str(known["checkout"]), key=key, method=method)
            ),
        )

    def quote(self, who: Account, slot: Slot) -> Action:
        """POST /quotes."""
        sent = request("POST", "/quotes", {"slot_id": slot.id}, token=token_of(who))
        return action("quote", who, sent, _quoted, {"slot": slot.id})

    def use_lock(self, who: Account, lock: str, slot: Slot) -> Action:
        """POST /checkouts."""
        body = {"price_lock_id": lock, "slot_id": slot.id}
        sent = request("POST", "/checkouts", body, token=token_of(who))
        return action("begin", who, sent, _begun, {"slot": slot.id, "lock": lock})

    def read_checkout(self, who: Account, checkout: str) -> Action:
        """GET /checkouts/{id}; facts: `state`, `price`, `details`, `hold`, `booking` once there is one."""
        sent = request("GET", f"/checkouts/{checkout}", token=token_of(who))
        return action("read checkout", who, sent, _read, {"checkout": checkout})

    def resume(self, who: Account, checkout: str, *, key: str, method: str = "card") -> Action:
        """POST /checkouts/{id}/payment."""
        sent = request(
            "POST", f"/checkouts/{checkout}/payment", PAYMENTS[method], token=token_of(who), key=key
        )
        return action("pay", who, sent, partial(_paid, checkout), {"checkout": checkout, "key": key})

    def _enter(self, who: Account, checkout: str) -> Action:
        entered = {"name": who.name, **ENTERED}
        sent = request("PUT", f"/checkouts/{checkout}/details", entered, token=token_of(who))
        return action("details", who, sent, lambda _: {"details": entered}, {"checkout": checkout})


def _quoted(document: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"lock": str(document["id"]), "price": price(document)}


def _begun(document: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"checkout": str(document["id"]), "price": price(document)}


def _read(document: Mapping[str, Any]) -> Mapping[str, Any]:
    booking = document.get("booking_id")
    return {
        "state": document["state"],
        "price": price(document),
        "details": document["details"],
        "hold": bool(document["hold"]["live"]),
    } | ({"booking": str(booking)} if booking else {})


def _paid(checkout: str, document: Mapping[str, Any]) -> Mapping[str, Any]:
    if "booking_id" not in document:
        return {"checkout": checkout, "pending": True}
    return {"checkout": checkout, "booking": str(document["booking_id"]), "price": price(document)}
