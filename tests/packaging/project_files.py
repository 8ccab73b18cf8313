"""The files of a user's project: an adapter and a scenario of its own, and a gap for it."""

from __future__ import annotations

GAPS = """
source = "The theatre"
prefix = "THEATRE"

[[gap]]
id = "THEATRE-01"
title = "A seat that is given back stays taken"
priority = "P1"
theme = "seats"
closed_when = [
  { id = "a", by = ["journey"], text = "A reservation is cancelled: the seat is free and can be reserved." },
]
open_when = [
  { id = 1, breaks = ["a"], text = "cancelling leaves the seat taken" },
]
"""

SCENARIO = """
from overbooked.scenario import Customer, Judge, Slot, System, accepted, gap


async def reserved(system: System, who: Customer, show: Slot) -> str:
    return await system.make_booking(who, show)


@gap("THEATRE-01.a")
async def test_a_seat_that_is_given_back_is_free(system: System, judge: Judge) -> None:
    ana, ben = await system.customers(2)
    show = await system.open_slot(capacity=1)
    accepted(await system.do(ana.cancels(await reserved(system, ana, show))))
    accepted(await system.do(ben.books(show)))
    capacity, taken = await system.booking.places(show)
    assert (capacity, taken) == (1, 1)
    judge.count("journeys")
"""

ADAPTER = """
from collections.abc import Sequence

from overbooked import HarnessError
from overbooked.adapter import (
    Account,
    Action,
    Adapter,
    AdapterContext,
    Answer,
    HttpRequest,
    HttpResponse,
    Money,
    Outcome,
    Slot,
)
from overbooked.capabilities.booking import BOOKING, Booking


class Desk:
    capabilities = frozenset({BOOKING})

    async def connect(self, context: AdapterContext) -> None:
        self._send = context.send

    async def close(self) -> None: ...

    async def open_slot(self, *, capacity: int, price: Money, private_venue: bool = False) -> Slot:
        made = await self._send(HttpRequest("POST", "/slots"))
        if made.status != 201:
            raise HarnessError(f"no slot: {made.status}")
        return Slot(made.body.decode(), capacity, price)

    async def customers(self, names: Sequence[tuple[str, str]]) -> list[Account]:
        return [Account(name, email) for name, email in names]

    def book(self, who: Account, slot: Slot, *, key: str | None = None) -> Action:
        return Action("book", who.lane, HttpRequest("POST", f"/{slot.id}"), read)

    def cancel(self, who: Account, booking: str) -> Action:
        return Action("cancel", who.lane, HttpRequest("DELETE", f"/{booking}"), read)

    async def places(self, slot: Slot) -> tuple[int, int]:
        return slot.capacity, 0


def read(response: HttpResponse) -> Answer:
    return Answer(Outcome.OK if response.status < 400 else Outcome.REFUSED, response.status)


adapter: Adapter = Desk()
booking: Booking = Desk()
"""

# Every line that a type checker must refuse is marked.
WRONG = """
from overbooked.scenario import Customer, System, gap
from overbooked.capabilities.jobs import JOBS


@gap("THEATRE-01.a")
async def test_wrong(system: System, who: Customer) -> None:
    await system.webhooks.redeliver("event")  # refused
    await system.clock.advence(3)  # refused
    system.settle()  # refused
    who.books("slot")  # refused
    report: int = await system[JOBS].run("expire_holds")  # refused
    await system.sessions.log_in(who)
"""
