"""SYS-04: a price lock serves one booking, the one that it was quoted for, whatever became of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from overbooked.capabilities import Capability
from overbooked.capabilities.booking import BOOKING
from overbooked.capabilities.clock import CLOCK
from overbooked.capabilities.jobs import JOBS
from overbooked.capabilities.rescheduling import RESCHEDULING
from overbooked.capabilities.webhooks import WEBHOOKS
from overbooked.scenario import (
    Action,
    Customer,
    Judge,
    Slot,
    System,
    TargetError,
    accepted,
    booking_methods,
    charged,
    gap,
    nothing_changed,
    nothing_charged,
    paid_bookings,
    refused_with,
    settles_later,
)

Fate = Callable[[System, Customer, Slot, Mapping[str, Any]], Awaitable[None]]

DAYS_S = 3 * 86_400
# What the price lock was used for before it is presented again: up to this request ...
UNFINISHED = {"unused": "begin", "begun": "details", "filled in": "pay"}
# ... or for a checkout that has ended; the last two when time has passed.
ENDED = ("paid", "declined", "cancelled", "moved", "refunded", "paid days ago", "hold expired")


@dataclass
class Lock:
    """A price lock of `ana` for `slot`; `facts` are those of the checkout that she used it for."""

    system: System
    ana: Customer
    slot: Slot
    facts: Mapping[str, Any]

    async def present_wrongly(
        self, others: Sequence[Customer], judge: Judge, *, used: bool, ended: bool
    ) -> None:
        """Present it in every wrong way: each is refused, and nothing changes."""
        slots = [self.slot, await self.system.open_slot(), await self.system.open_slot(private_venue=True)]
        was = await self.system.state(slots=slots)
        attempts = [*self.presented(others, slots, used=used), *(self.paid(others) if ended else ())]
        for n, attempt in enumerate(attempts):
            refused_with(await self.system.do(attempt, replica=n), 403, 404, 409)
            judge.count("wrong uses")
        nothing_changed(was, await self.system.state(slots=slots))

    def presented(self, others: Sequence[Customer], slots: Sequence[Slot], *, used: bool) -> Iterator[Action]:
        """By its owner and by others, for its slot and for others."""
        for who in (self.ana, *others):
            for slot in slots:
                if used or who is not self.ana or slot is not self.slot:
                    yield who.uses_lock(str(self.facts["lock"]), slot)

    def paid(self, others: Sequence[Customer]) -> Iterator[Action]:
        """The ended checkout is paid once more, by each method and with a new key."""
        for who in (self.ana, *others):
            for method in booking_methods(self.system):
                yield who.resumes(str(self.facts["checkout"]), key=who.new_key(), method=method)


@gap("SYS-04.d")
@pytest.mark.parametrize("use", list(UNFINISHED))
async def test_a_quote_serves_its_own_slot_and_customer(system: System, judge: Judge, use: str) -> None:
    ana, *others = [*await system.customers(2), *await system.staff()]
    for method in booking_methods(system):
        slot = await system.open_slot(capacity=5)
        steps = ana.checks_out(slot, method=method)
        before = await system.walk(steps, until=UNFINISHED[use])
        lock = Lock(system, ana, slot, before.facts)
        await lock.present_wrongly(others, judge, used=use != "unused", ended=False)
        nothing_charged(await system.state(slots=[slot]))
        after = await system.walk(steps, facts=before.facts, since=UNFINISHED[use])
        accepted(after.last, "a quote that was presented wrongly no longer serves its owner")
        lock = Lock(system, ana, slot, after.facts)
        await lock.present_wrongly(others, judge, used=True, ended=not settles_later(system, method))
        if not settles_later(system, method):
            state = await system.state(slots=[slot])
            paid_bookings(state, 1)
            charged(state, str(after.facts["checkout"]), slot.price)


@gap("SYS-04.d")
@pytest.mark.parametrize("fate", ENDED)
async def test_a_quote_serves_no_second_booking(system: System, judge: Judge, fate: str) -> None:
    ana, *others = [*await system.customers(2), *await system.staff()]
    slot = await system.open_slot(capacity=5)
    steps = ana.checks_out(slot, method="declined card" if fate == "declined" else "card")
    until = "pay" if fate == "hold expired" else None
    walked = await system.walk(steps, until=until)
    if fate != "declined" and not walked.ok:
        raise TargetError(f"a checkout was not completed: {walked.last.problem}")
    needed, happens = FATES.get(fate, ((), nothing_happens))
    if not system.offers(*needed):
        happens = nothing_happens
        judge.note("not offered", fate)
    await happens(system, ana, slot, walked.facts)
    await system.log_in(ana, *others)
    lock = Lock(system, ana, slot, walked.facts)
    await lock.present_wrongly(others, judge, used=True, ended=True)


async def nothing_happens(_system: System, _ana: Customer, _slot: Slot, _facts: Mapping[str, Any]) -> None:
    """The checkout has ended already."""


async def is_cancelled(system: System, ana: Customer, _slot: Slot, facts: Mapping[str, Any]) -> None:
    """The customer cancels the booking."""
    await system.do_ok(ana.cancels(str(facts["booking"])))


async def is_moved(system: System, ana: Customer, _slot: Slot, facts: Mapping[str, Any]) -> None:
    """The customer moves the booking to another slot."""
    await system.do_ok(ana.reschedules(str(facts["booking"]), await system.open_slot()))


async def is_refunded(system: System, _ana: Customer, slot: Slot, _facts: Mapping[str, Any]) -> None:
    """The whole price is refunded at the provider."""
    for charge in (await system.state(slots=[slot])).charges:
        await system.webhooks.provider_refunds(charge.id, charge.captured_minor)
    await system.jobs.recover()


async def days_pass(system: System, _ana: Customer, _slot: Slot, _facts: Mapping[str, Any]) -> None:
    """The booking is some days old."""
    await system.clock.advance(DAYS_S)
    await system.jobs.recover()


async def hold_expires(system: System, _ana: Customer, _slot: Slot, _facts: Mapping[str, Any]) -> None:
    """The checkout is not paid in time, and its place is free again."""
    await system.jobs.recover()


# With the capabilities that it needs.
FATES: Mapping[str, tuple[Sequence[Capability[Any]], Fate]] = {
    "cancelled": ((BOOKING,), is_cancelled),
    "moved": ((RESCHEDULING,), is_moved),
    "refunded": ((WEBHOOKS, JOBS), is_refunded),
    "paid days ago": ((CLOCK, JOBS), days_pass),
    "hold expired": ((JOBS,), hold_expires),
}
