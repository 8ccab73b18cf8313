"""A purchase made past the links, as material for what is planted."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from overbooked.targets.adapter import Customer, Money, Slot
from overbooked.targets.errors import TargetFailed
from reference_system.target.offers import Offers
from reference_system.target.people import People, expires_at, token_of

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


# Log in again when the session has less than this to live.
SESSION_LEFT_S = 60.0


class Purchases(People, Offers):
    """Buys places like any customer; one customer buys them all."""

    def __init__(self) -> None:
        super().__init__()
        self._buyer: Customer | None = None

    async def _noor(self) -> Customer:
        """The buyer, registered when first asked for, with a session that lasts a while."""
        if self._buyer is None:
            email = f"noor.{secrets.token_hex(6)}@example.com"
            (self._buyer,) = await self.customers([("Noor Buyer", email)])
        elif expires_at(self._buyer) - self._now() < SESSION_LEFT_S:
            await self.log_in(self._buyer)
        return self._buyer

    async def _begins(self) -> Begun:
        """The buyer begins a checkout of a slot of its own with one place."""
        who = await self._noor()
        token = token_of(who)
        slot = await self.open_slot(capacity=1, price=PRICE)
        lock = await self._app.call("POST", "/quotes", {"slot_id": slot.id}, token=token)
        asked = {"price_lock_id": lock["id"], "slot_id": slot.id}
        begun = await self._app.call("POST", "/checkouts", asked, token=token)
        return Begun(str(begun["id"]), slot, who.id, token)

    async def _buys(self) -> Purchase:
        """The buyer buys a place; every event of it has been delivered."""
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
