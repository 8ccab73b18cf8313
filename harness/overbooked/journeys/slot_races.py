"""Races on one slot: every operation that takes or frees a place, prepared so that they meet.

All operations of a race concern one slot, and those that need a booking or a hold share one, so that a pair
of them is a pair on one booking too; "another" ones have their own. The slot is as full as the race needs: if
none of the operations frees a place, one place is left to race for; else none. With room for all, nobody may
lose a place to another.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from overbooked.capabilities import Capability
from overbooked.capabilities.checkout import CHECKOUT
from overbooked.capabilities.clock import CLOCK
from overbooked.capabilities.hold_expiry import HOLD_EXPIRY
from overbooked.capabilities.rescheduling import RESCHEDULING
from overbooked.capabilities.resizing import RESIZING
from overbooked.capabilities.sessions import SESSIONS
from overbooked.interleavings.scheduler.actors import Actor
from overbooked.interleavings.scheduler.race import RaceResult
from overbooked.journeys.buying import PAY, Purchase, begin_checkout
from overbooked.system.customer import Customer
from overbooked.system.system import System
from overbooked.targets.adapter import Action, Answer, Slot
from overbooked.targets.errors import TargetError

ROOM = "with room for all"
"""Part of a case: every operation that takes a place finds a free one."""
HOLDS = "begin"
"""The step of a checkout that holds a place."""
_EXPIRY: tuple[Capability[Any], ...] = (CHECKOUT, HOLD_EXPIRY, CLOCK, SESSIONS)


@dataclass(frozen=True, slots=True)
class SlotOperation:
    """An operation on the slot of a race.

    Args:
        needs: the capabilities that it needs besides booking.
        on: what it works on: "booking", "another booking", a "hold" of its own, a "lapsed hold", whose time
            is over and which takes its place until it is released, or a "lost hold", which was released; "":
            nothing.
        takes, frees: whether it may take a place of the slot, or free one.
    """

    needs: tuple[Capability[Any], ...] = ()
    on: str = ""
    takes: bool = False
    frees: bool = False


OPERATIONS: Mapping[str, SlotOperation] = {
    "book": SlotOperation(takes=True),
    "hold": SlotOperation((CHECKOUT,), takes=True),
    "pay": SlotOperation((CHECKOUT,), on="hold"),
    "pay a lapsed hold": SlotOperation(_EXPIRY, on="lapsed hold"),
    "pay a lost hold": SlotOperation(_EXPIRY, on="lost hold", takes=True),
    "move in": SlotOperation((RESCHEDULING,), takes=True),
    "cancel": SlotOperation(on="booking", frees=True),
    "cancel another": SlotOperation(on="another booking", frees=True),
    "move out": SlotOperation((RESCHEDULING,), on="booking", frees=True),
    "move elsewhere": SlotOperation((RESCHEDULING,), on="booking", frees=True),
    "move another out": SlotOperation((RESCHEDULING,), on="another booking", frees=True),
    "book the target": SlotOperation((RESCHEDULING,)),
    "shrink": SlotOperation((RESIZING,)),
    "grow": SlotOperation((RESIZING,), frees=True),
    "expire": SlotOperation(_EXPIRY, on="lapsed hold", frees=True),
}

_BY_OTHERS = frozenset({"grow", "expire", "pay a lapsed hold"})
_TO_THE_TARGET = frozenset({"move out", "move another out", "book the target"})


def can_run(system: System, case: Sequence[str]) -> bool:
    """Whether the target offers every operation of a case."""
    return all(system.offers(*OPERATIONS[name].needs) for name in case if name != ROOM)


def is_contested(case: Sequence[str]) -> bool:
    """Whether some operation must lose in some order, because there are fewer places than it takes."""
    if ROOM in case:
        return False
    takers = sum(OPERATIONS[name].takes for name in case)
    return takers > places_left(case) or (takers > 0 and "shrink" in case)


def places_left(case: Sequence[str]) -> int:
    """Return the number of places that nobody has when a race begins."""
    takers = sum(OPERATIONS[name].takes for name in case if name != ROOM)
    if ROOM in case:
        return takers
    occupied = any(OPERATIONS[name].frees or OPERATIONS[name].on in {"hold", "lapsed hold"} for name in case)
    return 1 if takers and not occupied else 0


def somebody_stays(case: Sequence[str]) -> bool:
    """Whether the slot has a booking that no operation of the case concerns.

    A smaller slot then has a place left, a larger one was full before, and a place that is freed twice is the
    one of this booking, which can then be sold a second time.
    """
    return "shrink" in case or any(OPERATIONS[name].frees for name in case if name != ROOM)


def layout(case: Sequence[str]) -> tuple[int, int]:
    """Return the capacity of the slot of a case, and how many of its places are occupied at the beginning."""
    names = [name for name in case if name != ROOM]
    uses = {OPERATIONS[name].on for name in names}
    occupied = sum(OPERATIONS[name].on == "hold" for name in names)
    occupied += len(uses & {"booking", "another booking", "lapsed hold"}) + somebody_stays(case)
    smallest = 2 if "shrink" in names else 1
    spare = int(ROOM in case and "shrink" in names)
    return max(smallest, occupied + places_left(case) + spare), occupied


@dataclass(frozen=True, slots=True)
class SoldOut:
    """A slot after a race, and what happened when all that was left of it was bought.

    Args:
        slot: the slot.
        capacity, booked, held: its places, its confirmed bookings, and the places that are held, before that.
        answers: the answers to one booking more than there were free places, in order.
    """

    slot: Slot
    capacity: int
    booked: int
    held: int
    answers: tuple[Answer, ...]


class SlotRace:
    """One race of a case on a fresh slot.

    Args:
        system: the system under test.
        case: the names of the operations; one may occur several times. `ROOM` is none of them.
        people: one customer for each part of the case, and two more, for bookings and a hold of the slot.
    """

    def __init__(self, system: System, case: Sequence[str], people: Sequence[Customer]) -> None:
        self._system = system
        self._case = tuple(name for name in case if name != ROOM)
        self._room = ROOM in case
        *self._people, self._owner, self._holder = people
        self._uses = {OPERATIONS[name].on for name in self._case}
        self._bookings: dict[str, str] = {}
        self._live: set[str | None] = set()
        self._first = system.rng.randrange(len(system.client.urls))
        self.slots: list[Slot] = []

    async def prepare(self) -> list[Action | Actor]:
        """Open the slots, make bookings and holds, and return the operations."""
        case, system = self._case, self._system
        held = [name for name in case if OPERATIONS[name].on == "hold"]
        self._capacity, occupied = layout((*case, ROOM) if self._room else case)
        self._slot = await self._open(self._capacity)
        if _TO_THE_TARGET & set(case):
            self._target = await self._open(len(case) if self._room else 1)
        if "move elsewhere" in case:
            self._elsewhere = await self._open(1)
        lost = [n for n, name in enumerate(case) if OPERATIONS[name].on == "lost hold"]
        holds = {n: await self._lapsed(self._people[n], released=True) for n in lost}
        if somebody_stays(case):
            await system.make_booking(self._stayer(), self._slot)
        if "lapsed hold" in self._uses:
            lapsed = await self._lapsed(self._holder, released=False)
            holds |= {n: lapsed for n, name in enumerate(case) if OPERATIONS[name].on == "lapsed hold"}
        for kind in sorted(self._uses & {"booking", "another booking"}):
            self._bookings[kind] = await system.make_booking(self._owner, self._slot)
        live = {n: await self._held(self._people[n]) for n, name in enumerate(case) if name in held}
        self._live = {purchase.checkout for purchase in live.values()}
        holds |= live
        actions = [await self._action(n, name, holds.get(n)) for n, name in enumerate(case)]
        if occupied == self._capacity:
            await self._ask_every_replica()
        return actions

    def _stayer(self) -> Customer:
        """Return the customer whose booking stays: one who does nothing with a booking in the race."""
        return self._people[self._case.index("shrink")] if "shrink" in self._case else self._holder

    async def _ask_every_replica(self) -> None:
        """Have every replica refuse a booking of the full slot, so that each that remembers it does so."""
        for replica in range(len(self._system.client.urls)):
            await self._system.do(self._people[-1].books(self._slot), replica=replica)

    async def _open(self, capacity: int) -> Slot:
        slot = await self._system.open_slot(capacity=capacity)
        self.slots.append(slot)
        return slot

    async def _held(self, who: Customer) -> Purchase:
        purchase = await begin_checkout(self._system, who, self._slot)
        if purchase.checkout is None:
            raise TargetError(f"a checkout had to begin before the race, and {purchase.stopped_at} failed")
        return purchase

    async def _lapsed(self, who: Customer, *, released: bool) -> Purchase:
        """Begin a checkout and wait until its hold is over; log everybody in again."""
        purchase = await self._held(who)
        # From now on the hold may end at any moment, unless it is paid before.
        self._system.recorder.invoke("clock", "expire", {"checkout": purchase.checkout})
        expiry = self._system[HOLD_EXPIRY]
        await self._system.clock.advance(expiry.hold_s + 1)
        if released:
            await expiry.expire_holds()
        await asyncio.gather(*(self._system.sessions.log_in(customer) for customer in self._active()))
        return purchase

    def _active(self) -> list[Customer]:
        """Return the customers who send something, in this race or in the preparation of the next one."""
        own = [who for who, name in zip(self._people, self._case, strict=False) if name not in _BY_OTHERS]
        return [*dict.fromkeys([*own, self._people[-1], self._owner, self._holder])]

    async def _action(self, n: int, name: str, hold: Purchase | None) -> Action | Actor:
        who, system = self._people[n], self._system
        match name:
            case "book":
                return who.books(self._slot)
            case "book the target":
                return who.books(self._target)
            case "hold":
                steps = who.checks_out(self._slot)
                begun = await system.walk(steps, until=HOLDS)
                return next(step for step in steps if step.name == HOLDS).build(begun.facts)
            case "cancel" | "cancel another":
                return self._owner.cancels(self._bookings[OPERATIONS[name].on])
            case "move out" | "move another out":
                return self._owner.reschedules(self._bookings[OPERATIONS[name].on], self._target)
            case "move elsewhere":
                return self._owner.reschedules(self._bookings["booking"], self._elsewhere)
            case "move in":
                source = await self._open(1)
                return who.reschedules(await system.make_booking(who, source), self._slot)
            case "shrink":
                return system.resizing.resize(self._slot, self._capacity - 1)
            case "grow":
                return system.resizing.resize(self._slot, self._capacity + 1)
            case "expire":
                return Actor("clock", "expire", self._expire)
        assert hold is not None
        steps = hold.who.checks_out(self._slot, key=hold.key)
        return next(step for step in steps if step.name == PAY).build(hold.facts)

    async def _expire(self, _replica: int) -> None:
        await self._system[HOLD_EXPIRY].expire_holds()

    async def sell_out(self, ran: RaceResult) -> list[SoldOut]:
        """Buy all that is left of every slot, and one place more, of the replicas in turn.

        A place is held if a customer was told so and has not paid for it, whatever the database says.
        """
        if "lapsed hold" in self._uses:
            await self._system[HOLD_EXPIRY].expire_holds()
        buyer = self._people[-1]
        found = []
        for slot in self.slots:
            capacity, booked = await self._system.booking.places(slot)
            held = self._held_after(ran) if slot is self._slot else 0
            tries = max(0, capacity - booked - held) + 1
            replicas = [(self._first + n) % len(self._system.client.urls) for n in range(tries)]
            answers = [await self._system.do(buyer.books(slot), replica=replica) for replica in replicas]
            found.append(SoldOut(slot, capacity, booked, held, tuple(answers)))
        return found

    def _held_after(self, ran: RaceResult) -> int:
        told = [
            (actor.does, answer.ok)
            for actor, answer in zip(ran.race.actors, ran.replies, strict=True)
            if isinstance(actor.does, Action) and answer is not None
        ]
        paid = {action.args.get("checkout") for action, ok in told if ok and action.verb == PAY}
        return sum(ok and action.verb == HOLDS for action, ok in told) + len(self._live - paid)
