"""Helpers to buy and to read the results."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import httpx

from reference_system.booking.platform.db import UnitOfWork
from tests.reference_system.house import House, Person
from tests.reference_system.payment_provider.process import WEBHOOK_SECRET, Provider

CARD = {"method": "card", "token": "tok_visa"}
DECLINED = {"method": "card", "token": "tok_declined"}
BANK = {"method": "bank", "token": "tok_iban"}

BOOKS = """
SELECT posted.kind, sum(entry.amount_minor) AS balance,
    sum(entry.amount_minor) FILTER (WHERE entry.amount_minor > 0) AS amount
FROM ledger_transactions AS posted
JOIN ledger_entries AS entry ON entry.transaction_id = posted.id
JOIN payments AS payment ON payment.id = posted.payment_id
WHERE payment.checkout_id = :checkout OR payment.surplus_of = :checkout
GROUP BY posted.id ORDER BY posted.created_at, posted.id
"""
RELEASE_HOLD = "UPDATE holds SET released_at = :now WHERE checkout_id = :checkout AND released_at IS NULL"


@dataclass(slots=True)
class Begun:
    """An open checkout."""

    id: str
    who: Person
    slot: str
    amount_minor: int


@dataclass(slots=True)
class Till:
    """The service, in the test's process, and the provider, in a separate process."""

    house: House
    provider: Provider
    offset_s: float = 0.0

    async def begin(self, *, who: Person | None = None, slot: str | None = None) -> Begun:
        """Return a checkout that is ready for payment."""
        who = who or await self.house.person()
        slot = slot or await self.house.slot()
        quote = await self.house.quote(who, slot)
        answer = await self.house.http.post(
            "/checkouts", json={"price_lock_id": quote["id"], "slot_id": slot}, headers=who.headers
        )
        assert answer.status_code == 201, answer.text
        return Begun(answer.json()["id"], who, slot, answer.json()["amount_minor"])

    async def pay(
        self,
        begun: Begun,
        *,
        key: str | None = None,
        how: Mapping[str, str] = CARD,
        who: Person | None = None,
    ) -> httpx.Response:
        headers = (who or begun.who).headers | {"Idempotency-Key": key or uuid4().hex}
        return await self.house.http.post(f"/checkouts/{begun.id}/payment", json=how, headers=headers)

    async def bought(self) -> Begun:
        """Return a paid and booked checkout."""
        begun = await self.begin()
        answer = await self.pay(begun)
        assert answer.status_code == 201, answer.text
        return begun

    async def read(self, begun: Begun) -> dict[str, Any]:
        answer = await self.house.http.get(f"/checkouts/{begun.id}", headers=begun.who.headers)
        assert answer.status_code == 200, answer.text
        checkout: dict[str, Any] = answer.json()
        return checkout

    async def charge(self, begun: Begun) -> dict[str, Any]:
        """Return the only charge of a checkout at the provider."""
        (charge,) = await self.provider.charges(begun.id)
        return charge

    async def books(self, begun: Begun) -> list[tuple[str, int]]:
        """Return kind and amount of every ledger transaction of a checkout; asserts that each balances."""
        rows = await self.house.runtime.database.all(BOOKS, checkout=UUID(begun.id))
        assert all(row.balance == 0 for row in rows)
        return [(row.kind, int(row.amount)) for row in rows]

    async def rows(self, sql: str, **parameters: Any) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in await self.house.runtime.database.all(sql, **parameters)]

    async def move_clock(self, offset_s: float) -> None:
        """Move both clocks."""
        await self.house.move_clock(offset_s)
        await self.provider.control("/clock", offset_s=offset_s)
        self.offset_s = offset_s

    async def lose_place(self, begun: Begun) -> None:
        """Remove the hold, as if by hand, and give the place to another customer."""

        async def work(uow: UnitOfWork) -> None:
            await uow.execute(RELEASE_HOLD, checkout=UUID(begun.id), now=await self.house.runtime.clock.now())

        await self.house.runtime.database.run(work)
        await self.house.booked(await self.house.person(), begun.slot)

    # -- webhooks ------------------------------------------------------------------------------

    async def deliver(
        self, event: Mapping[str, Any], *, age_s: float = 0, secret: str = WEBHOOK_SECRET
    ) -> httpx.Response:
        """Deliver an event as the provider does, signed `age_s` seconds ago."""
        body = json.dumps({name: event[name] for name in ("id", "type", "created", "data")}).encode()
        headers = {
            "Content-Type": "application/json",
            "Provider-Signature": self._signature(body, age_s, secret),
        }
        return await self.house.http.post("/webhooks/provider", content=body, headers=headers)

    async def deliver_all(self, begun: Begun) -> None:
        """Deliver every event of a checkout's charges, in order."""
        for charge in await self.provider.charges(begun.id):
            for event in await self.provider.events(charge["id"]):
                answer = await self.deliver(event)
                assert answer.status_code == 200, answer.text

    def _signature(self, body: bytes, age_s: float, secret: str) -> str:
        timestamp = int(time.time() + self.offset_s - age_s)
        mac = hmac.new(secret.encode(), f"{timestamp}.".encode() + body, hashlib.sha256)
        return f"t={timestamp},v1={mac.hexdigest()}"
