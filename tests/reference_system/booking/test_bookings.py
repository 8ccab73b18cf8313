"""Booking, cancelling, rescheduling and resizing, sequentially and concurrently."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest

from reference_system.booking.venues import places
from tests.reference_system.booking.test_schema import add_checkout, add_payment
from tests.reference_system.house import House, Person
from tests.reference_system.servers import Servers
from tests.reference_system.waiting import until

Connection = psycopg.AsyncConnection[Any]


def what(answer: httpx.Response) -> tuple[int, str]:
    """Return the status and the type of a problem."""
    document = answer.json()
    return answer.status_code, document["type"] if answer.status_code >= 400 else document["status"]


@pytest.fixture
async def ana(house: House) -> Person:
    return await house.person()


class TestBooking:
    async def test_takes_a_place(self, house: House, ana: Person) -> None:
        slot = await house.slot(capacity=2)
        assert what(await house.book(ana, slot)) == (201, "confirmed")
        assert await house.places(slot) == (2, 1)

    async def test_is_refused_when_the_slot_is_sold_out(self, house: House, ana: Person) -> None:
        slot = await house.slot()
        await house.booked(ana, slot)
        refused = await house.book(ana, slot)
        assert what(refused) == (409, "sold-out")
        assert refused.headers["content-type"] == "application/problem+json"

    async def test_is_refused_when_the_slot_has_started(self, clock: House, ana: Person) -> None:
        slot = await clock.slot(starts_at="2050-01-01T10:00:00Z", ends_at="2050-01-01T11:00:00Z")
        await clock.move_clock(30 * 366 * 86_400)
        fresh = Person(ana.id, ana.email, await clock.log_in(ana.email))
        assert what(await clock.book(fresh, slot)) == (409, "slot-started")

    async def test_of_an_unknown_slot_is_not_found(self, house: House, ana: Person) -> None:
        assert what(await house.book(ana, str(uuid4()))) == (404, "not-found")

    async def test_is_seen_by_its_customer_and_operators_only(self, house: House, ana: Person) -> None:
        booking = await house.booked(ana, await house.slot())
        path = f"/bookings/{booking}"
        assert (await house.http.get(path, headers=ana.headers)).json()["id"] == booking
        assert (await house.http.get(path, headers=(await house.operator()).headers)).status_code == 200
        assert (await house.http.get(path, headers=(await house.person()).headers)).status_code == 404
        mine = (await house.http.get("/bookings", headers=ana.headers)).json()
        assert [row["id"] for row in mine] == [booking]

    async def test_that_only_the_schema_refuses_is_sold_out_and_no_failure(
        self, house: House, ana: Person, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(places, "has_place", lambda slot: True)
        slot = await house.slot(capacity=0)
        key = {"Idempotency-Key": uuid4().hex}
        assert what(await house.book(ana, slot)) == (409, "sold-out")
        first, again = await house.book(ana, slot, **key), await house.book(ana, slot, **key)
        assert what(first) == (409, "sold-out")
        assert (again.content, again.headers["idempotent-replayed"]) == (first.content, "true")


class TestABookingWithAKey:
    async def test_is_made_once_and_answered_alike(self, house: House, ana: Person) -> None:
        slot = await house.slot(capacity=5)
        key = {"Idempotency-Key": uuid4().hex}
        first, again = await house.book(ana, slot, **key), await house.book(ana, slot, **key)
        assert (first.status_code, first.content) == (again.status_code, again.content)
        assert "idempotent-replayed" not in first.headers
        assert again.headers["idempotent-replayed"] == "true"
        assert await house.places(slot) == (5, 1)

    async def test_that_was_refused_stays_refused(self, house: House, ana: Person) -> None:
        slot = await house.slot()
        booking = await house.booked(ana, slot)
        key = {"Idempotency-Key": uuid4().hex}
        first = await house.book(ana, slot, **key)
        await house.cancel(ana, booking)
        again = await house.book(ana, slot, **key)
        assert what(first) == (409, "sold-out")
        assert (again.status_code, again.content) == (first.status_code, first.content)
        assert again.headers["content-type"] == first.headers["content-type"]
        assert await house.places(slot) == (1, 0)

    async def test_repeated_at_once_is_made_once(self, house: House, other_house: House, ana: Person) -> None:
        slot = await house.slot(capacity=20)
        key = {"Idempotency-Key": uuid4().hex}
        answers = await asyncio.gather(*(h.book(ana, slot, **key) for h in [house, other_house] * 6))
        assert {(a.status_code, a.content) for a in answers} == {(201, answers[0].content)}
        assert await house.places(slot) == (20, 1)

    async def test_of_another_request_is_refused(self, house: House, ana: Person) -> None:
        key = {"Idempotency-Key": uuid4().hex}
        await house.book(ana, await house.slot(), **key)
        assert what(await house.book(ana, await house.slot(), **key)) == (422, "idempotency-key-reused")

    async def test_of_another_person_is_another_booking(self, house: House, ana: Person) -> None:
        slot = await house.slot(capacity=2)
        key = {"Idempotency-Key": uuid4().hex}
        first = await house.book(ana, slot, **key)
        second = await house.book(await house.person(), slot, **key)
        assert first.json()["id"] != second.json()["id"]

    async def test_that_is_too_long_is_refused(self, house: House, ana: Person) -> None:
        key = {"Idempotency-Key": "k" * 256}
        assert what(await house.book(ana, await house.slot(), **key)) == (400, "idempotency-key-invalid")


class TestCancelling:
    async def test_frees_the_place(self, house: House, ana: Person) -> None:
        slot = await house.slot()
        assert what(await house.cancel(ana, await house.booked(ana, slot))) == (200, "cancelled")
        assert await house.places(slot) == (1, 0)
        await house.booked(ana, slot)

    async def test_twice_is_refused_and_frees_one_place(self, house: House, ana: Person) -> None:
        slot = await house.slot(capacity=2)
        booking = await house.booked(ana, slot)
        await house.booked(ana, slot)
        await house.cancel(ana, booking)
        assert what(await house.cancel(ana, booking)) == (409, "already-cancelled")
        assert await house.places(slot) == (2, 1)

    async def test_somebody_elses_booking_is_not_found(self, house: House, ana: Person) -> None:
        slot = await house.slot()
        booking = await house.booked(ana, slot)
        assert what(await house.cancel(await house.person(), booking)) == (404, "not-found")
        assert await house.places(slot) == (1, 1)

    async def test_a_paid_booking_owes_its_money_back_once(
        self, house: House, other_house: House, ana: Person, owner: Connection
    ) -> None:
        slot = await house.slot(capacity=3)
        checkout = await add_checkout(owner, slot, ana.id)
        payment = await add_payment(owner, checkout)
        booking = await house.booked(ana, slot)
        await owner.execute("UPDATE bookings SET checkout_id = %s WHERE id = %s", (checkout, booking))
        answers = await asyncio.gather(*(h.cancel(ana, booking) for h in [house, other_house] * 4))
        assert Counter(map(what, answers)) == {(200, "cancelled"): 1, (409, "already-cancelled"): 7}
        found = await owner.execute(
            "SELECT amount_minor, state, reason FROM refunds WHERE payment_id = %s", (payment,)
        )
        assert await found.fetchall() == [(1999, "pending", "cancelled")]


class TestRescheduling:
    async def test_moves_the_place(self, house: House, ana: Person) -> None:
        here, there = await house.slot(), await house.slot()
        moved = await house.reschedule(ana, await house.booked(ana, here), there)
        assert (moved.status_code, moved.json()["slot_id"]) == (200, there)
        assert (await house.places(here), await house.places(there)) == ((1, 0), (1, 1))

    async def test_into_a_full_slot_changes_nothing(self, house: House, ana: Person) -> None:
        here, full = await house.slot(), await house.slot()
        await house.booked(ana, full)
        booking = await house.booked(ana, here)
        assert what(await house.reschedule(ana, booking, full)) == (409, "sold-out")
        assert (await house.places(here), await house.places(full)) == ((1, 1), (1, 1))

    async def test_a_cancelled_booking_is_refused(self, house: House, ana: Person) -> None:
        booking = await house.booked(ana, await house.slot())
        await house.cancel(ana, booking)
        assert what(await house.reschedule(ana, booking, await house.slot())) == (409, "already-cancelled")

    async def test_to_where_it_is_is_refused(self, house: House, ana: Person) -> None:
        slot = await house.slot()
        assert what(await house.reschedule(ana, await house.booked(ana, slot), slot)) == (409, "same-slot")

    async def test_to_nowhere_is_not_found(self, house: House, ana: Person) -> None:
        booking = await house.booked(ana, await house.slot())
        assert what(await house.reschedule(ana, booking, str(uuid4()))) == (404, "not-found")

    async def test_of_two_bookings_past_one_another_never_fails(
        self, house: House, other_house: House, ana: Person
    ) -> None:
        left, right = await house.slot(capacity=2), await house.slot(capacity=2)
        one, two = await house.booked(ana, left), await house.booked(ana, right)
        for _ in range(5):
            answers = await asyncio.gather(
                house.reschedule(ana, one, right), other_house.reschedule(ana, two, left)
            )
            assert [a.status_code for a in answers] == [200, 200]
            left, right = right, left


class TestResizing:
    async def test_makes_room(self, house: House, ana: Person) -> None:
        slot = await house.slot()
        await house.booked(ana, slot)
        assert (await house.resize(slot, 2)).json()["capacity"] == 2
        await house.booked(ana, slot)

    async def test_below_what_is_taken_is_refused(self, house: House, ana: Person) -> None:
        slot = await house.slot(capacity=2)
        await house.booked(ana, slot)
        refused = await house.resize(slot, 0)
        assert (refused.status_code, refused.json()["type"]) == (409, "capacity-below-taken")
        assert refused.json()["taken"] == 1

    async def test_is_for_operators(self, house: House, ana: Person) -> None:
        slot = await house.slot()
        refused = await house.http.patch(f"/slots/{slot}", json={"capacity": 5}, headers=ana.headers)
        assert (refused.status_code, refused.json()["type"]) == (403, "forbidden")


class TestFiftyAtOnce:
    async def test_one_gets_the_last_place_and_the_others_a_clear_no(
        self, house: House, other_house: House
    ) -> None:
        people = await house.people(50)
        slot = await house.slot()
        answers = await asyncio.gather(
            *((house, other_house)[i % 2].book(who, slot) for i, who in enumerate(people))
        )
        assert Counter(map(what, answers)) == {(201, "confirmed"): 1, (409, "sold-out"): 49}

    async def test_everybody_waits_his_turn_while_somebody_holds_the_slot(
        self, house: House, other_house: House, servers: Servers
    ) -> None:
        people = await house.people(10)
        slot = await house.slot()
        async with await psycopg.AsyncConnection.connect(servers.dsns["owner"]) as side:
            await side.execute("SELECT 1 FROM slots WHERE id = %s FOR UPDATE", (slot,))
            burst = [
                asyncio.create_task((house, other_house)[i % 2].book(who, slot))
                for i, who in enumerate(people)
            ]
            await until(lambda: self._all_wait(servers, len(people)))
            await side.rollback()
        answers = await asyncio.gather(*burst)
        assert Counter(map(what, answers)) == {(201, "confirmed"): 1, (409, "sold-out"): 9}

    async def test_all_sorts_of_changes_never_oversell_and_never_fail(
        self, house: House, other_house: House
    ) -> None:
        chance = random.Random(4711)
        people = await house.people(10)
        first, second = await house.slot(capacity=3), await house.slot(capacity=2)
        bookings = [await house.booked(who, first) for who in people[:3]]

        async def one(i: int) -> httpx.Response:
            at = (house, other_house)[i % 2]
            slot = chance.choice((first, second))
            match i % 5:
                case 0:
                    return await at.cancel(people[i % 3], bookings[i % 3])
                case 1:
                    return await at.reschedule(people[i % 3], bookings[i % 3], second)
                case 2:
                    return await at.resize(slot, chance.randrange(1, 5))
            return await at.book(people[i % 10], slot)

        answers = await asyncio.gather(*(one(i) for i in range(50)))
        assert {a.status_code for a in answers} <= {200, 201, 409}
        cancelled = [a for a in answers if a.request.url.path.endswith("cancel") and a.status_code == 200]
        assert len(cancelled) == 3
        for slot in (first, second):
            capacity, taken = await house.places(slot)
            assert taken <= capacity

    @staticmethod
    async def _all_wait(servers: Servers, n: int) -> bool:
        async with await psycopg.AsyncConnection.connect(servers.dsns["observer"]) as sql:
            found = await sql.execute(
                "SELECT count(*) FROM pg_stat_activity"
                " WHERE wait_event_type = 'Lock' AND query LIKE '%FOR NO KEY UPDATE%'"
            )
            row = await found.fetchone()
            return row == (n,)
