"""A purchase made past the links, as material for what is planted."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from harness.targets.port import Money, Slot
from harness.targets.transport import TargetFailed
from reference_system.target.offers import Offers
from reference_system.target.people import People, token_of

PRICE = Money(2500)


@dataclass(frozen=True, slots=True)
class Begun:
    """A checkout that holds a place, with the token of its customer."""

    checkout: str
    slot: Slot
    customer: str
    token: str


@dataclass(frozen=True, slots=True)
class Purchase:
    """A checkout that was paid: everything that belongs to it here and at the provider."""

    checkout: str
    slot: Slot
    token: str
    booking: str
    charge: str


class Purchases(People, Offers):
    """Buys places like any customer."""

    async def _begins(self) -> Begun:
        """Somebody new begins a checkout of a slot of his own with one place."""
        (who,) = await self.customers([("Noor Buyer", f"noor.{secrets.token_hex(6)}@example.com")])
        token = token_of(who)
        slot = await self.open_slot(capacity=1, price=PRICE)
        lock = await self._app.call("POST", "/quotes", {"slot_id": slot.id}, token=token)
        asked = {"price_lock_id": lock["id"], "slot_id": slot.id}
        begun = await self._app.call("POST", "/checkouts", asked, token=token)
        return Begun(str(begun["id"]), slot, who.id, token)

    async def _buys(self) -> Purchase:
        """Somebody new buys a place; every event of it has been delivered."""
        begun = await self._begins()
        paid = await self._app.call(
            "POST",
            f"/checkouts/{begun.checkout}/payment",
            {"method": "card", "token": "tok_visa"},
            token=begun.token,
            key=f"noor-{begun.checkout}",
        )
        intents = await self._provider.call(
            "GET", "/v1/payment_intents", query={"checkout_id": begun.checkout}
        )
        if len(intents["data"]) != 1 or "booking_id" not in paid:
            raise TargetFailed(f"a plain purchase came to {paid} and {intents['data']}")
        charge = str(intents["data"][0]["id"])
        await self._provider.call("POST", "/_control/deliveries/run", {"payment_intents": [charge]})
        return Purchase(begun.checkout, begun.slot, begun.token, str(paid["booking_id"]), charge)
