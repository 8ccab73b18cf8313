"""Events of the provider: each takes effect once, in any order, number and delay."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import itertools
import random
import time
from collections.abc import Iterable
from typing import Any
from uuid import uuid4

import httpx
import pytest

from reference_system.booking.webhooks import handlers, store
from tests.reference_system.booking.money.judging import at_any_moment
from tests.reference_system.booking.money.till import BANK, Begun, Till
from tests.reference_system.payment_provider.process import WEBHOOK_SECRET

DAY_S = 86_400.0


def taken(answer: httpx.Response) -> str:
    assert answer.status_code == 200, answer.text
    return str(answer.json()["taken"])


async def undelivered(till: Till, *, refunds: Iterable[str] = ()) -> tuple[Begun, list[dict[str, Any]]]:
    """Return a captured and partly refunded bank payment and its undelivered events."""
    begun = await till.begin()
    assert (await till.pay(begun, how=BANK)).status_code == 202
    charge = await till.charge(begun)
    await till.provider.control(f"/intents/{charge['id']}/settle")
    for amount in refunds:
        await till.provider.control(f"/intents/{charge['id']}/refund", amount=amount)
    return begun, await till.provider.events(charge["id"])


async def in_the_books(till: Till, begun: Begun) -> tuple[int, int]:
    """Return the recorded captured and refunded amounts; asserts that the ledger agrees."""
    rows = await till.rows(
        "SELECT captured_minor, refunded_minor FROM payments WHERE checkout_id = CAST(:id AS uuid)",
        id=begun.id,
    )
    ((captured, refunded),) = rows
    books = await till.books(begun)
    assert sum(amount for kind, amount in books if kind == "capture") == captured
    assert sum(amount for kind, amount in books if kind == "refund") == refunded
    return captured, refunded


class TestAnEvent:
    async def test_of_a_capture_books_what_was_awaited(self, till: Till) -> None:
        begun, (event,) = await undelivered(till)
        assert taken(await till.deliver(event)) == "applied"
        read = await till.read(begun)
        assert (read["state"], read["payment_state"], read["hold"]["live"]) == ("booked", "captured", False)
        assert await in_the_books(till, begun) == (1999, 0)

    async def test_that_comes_again_changes_nothing(self, till: Till) -> None:
        begun, events = await undelivered(till, refunds=["5.00"])
        for event in [*events, *events, *events]:
            await till.deliver(event)
        assert await in_the_books(till, begun) == (1999, 500)
        assert taken(await till.deliver(events[0])) == "known"

    async def test_of_a_failed_payment_frees_the_place(self, till: Till) -> None:
        begun = await till.begin()
        await till.pay(begun, how=BANK)
        charge = await till.charge(begun)
        await till.provider.control(f"/intents/{charge['id']}/settle", paid=False)
        await till.deliver_all(begun)
        read = await till.read(begun)
        assert (read["state"], read["payment_state"]) == ("declined", "failed")
        assert await till.house.places(begun.slot) == (1, 0)

    async def test_of_a_capture_overtakes_the_request_that_pays(self, till: Till) -> None:
        """The event may arrive before the answer to the capture."""
        begun, key = await till.begin(), uuid4().hex
        await till.pay(begun, key=key)
        await till.deliver_all(begun)
        assert (await till.pay(begun, key=key)).status_code == 201
        assert await till.books(begun) == [("capture", 1999)]

    async def test_of_an_unknown_kind_is_not_dropped(self, till: Till) -> None:
        event = {"id": f"evt_{uuid4().hex}", "type": "payout.paid", "created": 0, "data": {}}
        assert [(await till.deliver(event)).status_code for _ in range(5)] == [500] * 4 + [200]

    async def test_of_a_refund_by_hand_is_recorded_and_keeps_the_booking(self, till: Till) -> None:
        begun = await till.bought()
        charge = await till.charge(begun)
        await till.provider.control(f"/intents/{charge['id']}/refund", amount="5.00")
        await till.deliver_all(begun)
        assert await in_the_books(till, begun) == (1999, 500)
        assert (await till.read(begun))["payment_state"] == "partially_refunded"
        assert await till.house.places(begun.slot) == (1, 1)

    async def test_of_a_refund_of_everything_ends_the_booking(self, till: Till) -> None:
        begun = await till.bought()
        charge = await till.charge(begun)
        for amount in ("5.00", "14.99"):
            await till.provider.control(f"/intents/{charge['id']}/refund", amount=amount)
        await till.deliver_all(begun)
        assert await in_the_books(till, begun) == (1999, 1999)
        assert await till.house.places(begun.slot) == (1, 0)


class TestEventsInDisorder:
    async def test_every_order_comes_to_the_same_end(self, till: Till) -> None:
        for order in itertools.permutations(range(3)):
            begun, events = await undelivered(till, refunds=["5.00", "3.00"])
            for n in order:
                await till.deliver(events[n])
                await at_any_moment(till, begun)
            assert await in_the_books(till, begun) == (1999, 800)
            assert (await till.read(begun))["state"] == "booked"

    async def test_what_went_back_whole_ends_the_same_whichever_event_comes_first(self, till: Till) -> None:
        ends = []
        for order in ((0, 1), (1, 0)):
            begun, events = await undelivered(till, refunds=["19.99"])
            for n in order:
                await till.deliver(events[n])
            assert await in_the_books(till, begun) == (1999, 1999)
            read = await till.read(begun)
            ends.append((read["state"], read["payment_state"], read["booking_id"] is not None))
            assert await till.house.places(begun.slot) == (1, 0)
        assert ends[0] == ends[1]

    async def test_late_by_days_they_move_nothing_back(self, till: Till) -> None:
        begun, events = await undelivered(till, refunds=["5.00"])
        late = [event for event in events if event["type"] != "refund.succeeded"]
        await till.deliver(events[-1])
        await till.move_clock(9 * DAY_S)
        for event in late:
            await till.deliver(event)
        ((state,),) = await till.rows(
            "SELECT state FROM payments WHERE checkout_id = CAST(:id AS uuid)", id=begun.id
        )
        assert state == "partially_refunded"

    async def test_all_at_once_each_takes_effect_once(self, till: Till) -> None:
        begun, events = await undelivered(till, refunds=["1.00", "2.00", "3.00"])
        deliveries = [event for event in events for _ in range(4)]
        random.Random(7).shuffle(deliveries)
        answers = await asyncio.gather(*(till.deliver(event) for event in deliveries))
        assert sorted(taken(answer) for answer in answers).count("applied") == len(events)
        assert await in_the_books(till, begun) == (1999, 600)


class TestWhatIsNotGenuine:
    @pytest.mark.parametrize("how", ["forged", "stale", "early"])
    async def test_is_refused_and_changes_nothing(self, till: Till, how: str) -> None:
        begun, (event,) = await undelivered(till)
        signing: dict[str, Any] = {
            "forged": {"secret": "another"},
            "stale": {"age_s": 301},
            "early": {"age_s": -400},
        }[how]
        answer = await till.deliver(event, **signing)
        assert (answer.status_code, answer.json()["type"]) == (401, "signature-invalid")
        assert (await till.read(begun))["state"] == "processing"
        assert await till.rows("SELECT 1 FROM webhook_events WHERE event_id = :id", id=event["id"]) == []
        assert taken(await till.deliver(event)) == "applied"

    @pytest.mark.parametrize("header", [None, "", "t=,v1=", "v1=00", "t=x,v1=00", "t=99999999999999,v1=00"])
    async def test_without_a_signature_is_refused(self, till: Till, header: str | None) -> None:
        headers = {"Provider-Signature": header} if header is not None else {}
        answer = await till.house.http.post("/webhooks/provider", content=b"{}", headers=headers)
        assert answer.status_code == 401

    @pytest.mark.parametrize(
        "header",
        ["t={t},v1={mac},v1={mac}", "t={t},v1=00,v1={mac}", "t=0{t},v1={mac}", "t={t},v1={mac}0", "v1={mac}"],
    )
    async def test_with_more_or_less_than_one_signature_is_refused(self, till: Till, header: str) -> None:
        at = int(time.time())
        mac = hmac.new(WEBHOOK_SECRET.encode(), f"{at}.{{}}".encode(), hashlib.sha256).hexdigest()
        headers = {"Provider-Signature": header.format(t=at, mac=mac)}
        answer = await till.house.http.post("/webhooks/provider", content=b"{}", headers=headers)
        assert answer.status_code == 401

    async def test_signed_but_no_event_ends_as_a_dead_letter(self, till: Till) -> None:
        event = {"id": "", "type": uuid4().hex, "created": 0, "data": {}}
        assert [(await till.deliver(event)).status_code for _ in range(6)] == [500] * 4 + [200] * 2


class TestAFailure:
    async def test_is_retried_and_leaves_nothing_behind(
        self, till: Till, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        begun, (event,) = await undelivered(till)

        async def broken(*_: Any, **__: Any) -> None:
            raise RuntimeError("a bug")

        with monkeypatch.context() as patched:
            patched.setattr(store, "mark_done", broken)
            for _ in range(2):
                assert (await till.deliver(event)).status_code == 500
        assert (await till.read(begun))["state"] == "processing"
        assert taken(await till.deliver(event)) == "applied"
        assert (await till.read(begun))["state"] == "booked"

    async def test_that_goes_on_ends_as_a_dead_letter_once(
        self, till: Till, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        begun, (event,) = await undelivered(till)

        async def broken(*_: Any, **__: Any) -> None:
            raise handlers.CannotApply("it never works")

        with monkeypatch.context() as patched:
            patched.setattr(handlers, "captured", broken)
            answers = [(await till.deliver(event)).status_code for _ in range(7)]
        assert answers == [500, 500, 500, 500, 200, 200, 200]
        operator = await till.house.operator()
        letters = await till.house.http.get(
            "/dead-letters", params={"subject": event["id"]}, headers=operator.headers
        )
        (letter,) = letters.json()
        assert (letter["source"], letter["reason"]) == ("webhook", "CannotApply: it never works")
        assert (await till.read(begun))["state"] == "processing"
        await till.house.run_job("reconcile")
        assert (await till.read(begun))["state"] == "booked"

    @pytest.mark.parametrize(
        "harm",
        [
            {"metadata": {}},
            {"metadata": {"checkout_id": str(uuid4())}},
            {"amount_captured": "20.99"},
            {"currency": "XXX"},
            {"amount_captured": "much"},
            {"status": "declined"},
            {"id": "pi_\0"},
            {"id": "pi_\ud800"},
        ],
        ids=[
            "no checkout",
            "unknown checkout",
            "other amount",
            "no currency",
            "no amount",
            "other state",
            "a NUL",
            "half a surrogate pair",
        ],
    )
    async def test_of_an_event_that_cannot_be_true_changes_nothing(
        self, till: Till, harm: dict[str, Any]
    ) -> None:
        begun, (event,) = await undelivered(till)
        false = {**event, "id": f"evt_{uuid4().hex}"}
        false["data"] = {"payment_intent": event["data"]["payment_intent"] | harm}
        assert (await till.deliver(false)).status_code == 500
        assert (await till.read(begun))["state"] == "processing"

    @pytest.mark.parametrize(
        "harm",
        [{"currency": "USD"}, {"amount": "-5.00"}, {"status": "pending"}, {"payment_intent": "pi_other"}],
        ids=["other currency", "below zero", "other state", "other payment"],
    )
    async def test_of_a_refund_that_cannot_be_true_changes_nothing(
        self, till: Till, harm: dict[str, Any]
    ) -> None:
        begun, events = await undelivered(till, refunds=["5.00"])
        for event in events:
            await till.deliver(event)
        false = {**events[-1], "id": f"evt_{uuid4().hex}", "data": dict(events[-1]["data"])}
        false["data"]["refund"] = {**events[-1]["data"]["refund"], "id": "re_false", **harm}
        assert (await till.deliver(false)).status_code == 500
        assert await in_the_books(till, begun) == (1999, 500)

    async def test_of_a_payment_that_is_recorded_for_another_checkout_changes_nothing(
        self, till: Till
    ) -> None:
        begun, (event,) = await undelivered(till)
        other, _ = await undelivered(till)
        await till.deliver(event)
        intent = event["data"]["payment_intent"] | {"metadata": {"checkout_id": other.id}}
        false = {**event, "id": f"evt_{uuid4().hex}", "data": {"payment_intent": intent}}
        assert (await till.deliver(false)).status_code == 500
        assert (await till.read(other))["state"] == "processing"
        assert (await till.read(begun))["state"] == "booked"

    async def test_of_a_refund_beyond_the_capture_ends_as_a_dead_letter(self, till: Till) -> None:
        begun = await till.bought()
        intent = (await till.charge(begun))["id"]
        payload = (await till.provider.events(intent))[-1]["data"]["payment_intent"]
        refund = {
            "id": "re_too_much",
            "payment_intent": intent,
            "amount": "99999.00",
            "currency": "EUR",
            "status": "succeeded",
            "metadata": {},
        }
        false = {
            "id": f"evt_{uuid4().hex}",
            "type": "refund.succeeded",
            "created": 0,
            "data": {"payment_intent": payload, "refund": refund},
        }
        assert [(await till.deliver(false)).status_code for _ in range(5)] == [500] * 4 + [200]
        assert await in_the_books(till, begun) == (1999, 0)


async def test_an_acknowledgement_that_is_lost_costs_nothing(till: Till) -> None:
    begun, (event,) = await undelivered(till)
    assert taken(await till.deliver(event)) == "applied"
    assert taken(await till.deliver(event)) == "known"
    assert await in_the_books(till, begun) == (1999, 0)


async def test_a_second_charge_of_a_checkout_is_given_back(till: Till) -> None:
    begun = await till.bought()
    first = await till.charge(begun)
    event = (await till.provider.events(first["id"]))[-1]
    second = await till.provider.control(
        "/intents", amount="19.99", currency="EUR", metadata={"checkout_id": begun.id}
    )
    assert (
        taken(await till.deliver({**event, "id": f"evt_{uuid4().hex}", "data": {"payment_intent": second}}))
        == "applied"
    )
    await till.house.run_job("send_outbox")
    await till.deliver_all(begun)
    charges = {charge["id"]: charge["refunded_minor"] for charge in await till.provider.charges(begun.id)}
    assert charges == {first["id"]: 0, second["id"]: 1999}
    assert await till.books(begun) == [("capture", 1999), ("capture", 1999), ("refund", 1999)]
    assert (await till.read(begun))["state"] == "booked"
