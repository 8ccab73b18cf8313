"""The adapter of the service: booking, cancelling and reading its rows."""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import asyncpg

from overbooked.adapter import (
    Account,
    Action,
    AdapterContext,
    Answer,
    DurableState,
    HttpRequest,
    HttpResponse,
    Money,
    Outcome,
    Slot,
)
from overbooked.capabilities.booking import BookingRow

_BOOKINGS = """
SELECT id::text, slot::text, customer, status FROM bookings WHERE $1::uuid[] IS NULL OR slot = ANY($1)
"""


class Probe:
    """Satisfies `overbooked.adapter.Adapter`."""

    capabilities = frozenset({"booking", "durable state"})

    async def connect(self, context: AdapterContext) -> None:
        self._send = context.send
        self._db = await asyncpg.create_pool(context.dsns["observer"], min_size=1, max_size=2)

    async def close(self) -> None:
        await self._db.close()

    async def state(self, *, slots: Any = None, checkouts: Any = None) -> DurableState:
        wanted = None if slots is None else [uuid.UUID(getattr(one, "id", one)) for one in slots]
        rows = await self._db.fetch(_BOOKINGS, wanted)
        bookings = tuple(BookingRow(r["id"], r["slot"], r["customer"], r["status"]) for r in rows)
        return DurableState(bookings=bookings, holds=(), charges=(), payments=(), ledger=(), dead_letters=())

    async def open_slot(self, *, capacity: int, price: Money, private_venue: bool = False) -> Slot:
        response = await self._send(HttpRequest("POST", f"/slots?capacity={capacity}"))
        return Slot(json.loads(response.body)["id"], capacity, price)

    async def customers(self, names: Sequence[tuple[str, str]]) -> list[Account]:
        return [Account(name, email, session=email) for name, email in names]

    def book(self, who: Account, slot: Slot, *, key: str | None = None) -> Action:
        request = HttpRequest("POST", f"/slots/{slot.id}/bookings", {"X-Customer": who.session})
        return Action("book", who.lane, request, _booked, {"slot": slot.id})

    def cancel(self, who: Account, booking: str) -> Action:
        request = HttpRequest("DELETE", f"/bookings/{booking}", {"X-Customer": who.session})
        return Action("cancel", who.lane, request, _read, {"booking": booking})

    async def places(self, slot: Slot) -> tuple[int, int]:
        found = json.loads((await self._send(HttpRequest("GET", f"/slots/{slot.id}"))).body)
        return found["capacity"], found["booked"]


def _read(response: HttpResponse) -> Answer:
    if response.status == 200:
        return Answer(Outcome.OK, response.status)
    return Answer(Outcome.REFUSED, response.status, problem=response.body.decode())


def _booked(response: HttpResponse) -> Answer:
    answer = _read(response)
    return replace(answer, facts={"booking": json.loads(response.body)["booking"]}) if answer.ok else answer
