"""Checkout: begun with a price lock and paid once, also with repeats and refusals."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

import httpx
import pytest

from reference_system.booking.checkout import saga
from reference_system.booking.payments import client
from reference_system.booking.platform.runtime import Runtime
from tests.reference_system.booking.money.till import BANK, CARD, DECLINED, Begun, Till

DAY_S = 86_400.0
PRICE_LOCK_S = 900.0


def what(answer: httpx.Response) -> tuple[int, str]:
    """Return the status and the type of a problem."""
    return answer.status_code, answer.json()["type"] if answer.status_code >= 400 else "ok"


async def begin(till: Till, who: Any, quote: dict[str, Any], slot: str) -> httpx.Response:
    return await till.house.http.post(
        "/checkouts", json={"price_lock_id": quote["id"], "slot_id": slot}, headers=who.headers
    )


class TestBeginning:
    async def test_holds_a_place_at_the_quoted_price(self, till: Till) -> None:
        begun = await till.begin()
        read = await till.read(begun)
        assert (read["state"], read["hold"]["live"], read["payment_state"]) == ("open", True, None)
        assert await till.house.places(begun.slot) == (1, 1)

    async def test_keeps_the_quoted_price_when_the_slot_becomes_dearer(self, till: Till) -> None:
        who, slot = await till.house.person(), await till.house.slot(price_minor=1000)
        quote = await till.house.quote(who, slot)
        operator = await till.house.operator()
        await till.house.http.patch(f"/slots/{slot}", json={"price_minor": 5000}, headers=operator.headers)
        answer = await begin(till, who, quote, slot)
        assert answer.json()["amount_minor"] == 1000
        begun = Begun(answer.json()["id"], who, slot, 1000)
        assert (await till.pay(begun)).json()["amount_minor"] == 1000
        assert (await till.charge(begun))["captured_minor"] == 1000

    async def test_of_a_sold_out_slot_is_refused_and_leaves_the_price_lock(self, till: Till) -> None:
        who, slot = await till.house.person(), await till.house.slot()
        quote = await till.house.quote(who, slot)
        other = await till.house.person()
        booking = await till.house.booked(other, slot)
        assert what(await begin(till, who, quote, slot)) == (409, "sold-out")
        await till.house.cancel(other, booking)
        assert what(await begin(till, who, quote, slot)) == (201, "ok")

    async def test_serves_one_checkout_a_price_lock(self, till: Till) -> None:
        who, slot = await till.house.person(), await till.house.slot(capacity=3)
        quote = await till.house.quote(who, slot)
        assert what(await begin(till, who, quote, slot)) == (201, "ok")
        assert what(await begin(till, who, quote, slot)) == (409, "price-lock-used")
        assert await till.house.places(slot) == (3, 1)

    async def test_serves_one_of_many_at_once(self, till: Till) -> None:
        who, slot = await till.house.person(), await till.house.slot(capacity=9)
        quote = await till.house.quote(who, slot)
        answers = await asyncio.gather(*(begin(till, who, quote, slot) for _ in range(8)))
        assert sorted(answer.status_code for answer in answers) == [201] + [409] * 7
        assert await till.house.places(slot) == (9, 1)

    async def test_with_somebody_elses_price_lock_is_not_found(self, till: Till) -> None:
        who, other, slot = await till.house.person(), await till.house.person(), await till.house.slot()
        quote = await till.house.quote(who, slot)
        assert what(await begin(till, other, quote, slot)) == (404, "not-found")

    async def test_of_another_slot_than_was_quoted_is_refused(self, till: Till) -> None:
        who, slot = await till.house.person(), await till.house.slot()
        quote = await till.house.quote(who, slot)
        assert what(await begin(till, who, quote, await till.house.slot())) == (409, "price-lock-mismatch")

    async def test_with_an_expired_price_lock_comes_with_a_fresh_quote(self, till: Till) -> None:
        who, slot = await till.house.person(), await till.house.slot(price_minor=1000)
        quote = await till.house.quote(who, slot)
        await till.move_clock(PRICE_LOCK_S)
        who.session = await till.house.log_in(who.email)
        refused = await begin(till, who, quote, slot)
        assert what(refused) == (409, "price-lock-expired")
        assert refused.json()["amount_minor"] == 1000
        assert await till.house.places(slot) == (1, 0)
        assert what(await begin(till, who, refused.json()["quote"], slot)) == (201, "ok")


class TestTheCheckout:
    async def test_is_its_owners_and_nobody_elses(self, till: Till) -> None:
        begun, other = await till.begin(), await till.house.person()
        path = f"/checkouts/{begun.id}"
        assert what(await till.house.http.get(path, headers=other.headers)) == (404, "not-found")
        details = {"name": "Ben", "phone": "1", "note": ""}
        refused = await till.house.http.put(f"{path}/details", json=details, headers=other.headers)
        assert what(refused) == (404, "not-found")
        assert what(await till.pay(begun, who=other)) == (404, "not-found")
        assert (await till.read(begun))["state"] == "open"
        assert await till.provider.charges(begun.id) == []

    async def test_keeps_what_was_entered(self, till: Till) -> None:
        begun = await till.begin()
        details = {"name": "Ana", "phone": "+44 1", "note": "by the window"}
        path = f"/checkouts/{begun.id}/details"
        answer = await till.house.http.put(path, json=details, headers=begun.who.headers)
        assert answer.json() == details
        await till.pay(begun)
        assert (await till.read(begun))["details"] == details
        late = await till.house.http.put(path, json=details, headers=begun.who.headers)
        assert what(late) == (409, "checkout-closed")

    async def test_that_nobody_came_back_for_gives_its_place_up(self, till: Till) -> None:
        begun = await till.begin()
        await till.move_clock(601)
        await till.house.run_job("expire_holds")
        read = await till.read(begun)
        assert (read["state"], read["hold"]["live"]) == ("expired", False)
        assert what(await till.pay(begun)) == (409, "checkout-closed")
        assert await till.provider.charges(begun.id) == []


class TestPaying:
    async def test_books_the_place_and_charges_the_quoted_price(self, till: Till) -> None:
        begun = await till.begin()
        answer = await till.pay(begun)
        assert answer.status_code == 201, answer.text
        read = await till.read(begun)
        assert (read["state"], read["booking_id"]) == ("booked", answer.json()["booking_id"])
        assert (read["hold"]["live"], read["payment_state"]) == (False, "captured")
        assert (await till.charge(begun))["captured_minor"] == begun.amount_minor
        assert await till.books(begun) == [("capture", begun.amount_minor)]
        assert await till.house.places(begun.slot) == (1, 1)

    async def test_again_with_its_key_gets_the_first_answer(self, till: Till) -> None:
        begun, key = await till.begin(), uuid4().hex
        first = await till.pay(begun, key=key)
        again = await till.pay(begun, key=key)
        assert (again.status_code, again.content) == (first.status_code, first.content)
        assert again.headers["idempotent-replayed"] == "true"
        await till.charge(begun)

    async def test_again_with_another_key_is_refused_with_the_booking(self, till: Till) -> None:
        begun = await till.begin()
        booking = (await till.pay(begun)).json()["booking_id"]
        refused = await till.pay(begun)
        assert what(refused) == (409, "already-paid")
        assert refused.json()["booking_id"] == booking
        await till.charge(begun)

    async def test_with_one_key_for_two_requests_is_refused(self, till: Till) -> None:
        begun, key = await till.begin(), uuid4().hex
        await till.pay(begun, key=key)
        assert what(await till.pay(begun, key=key, how=BANK)) == (422, "idempotency-key-reused")

    async def test_needs_a_key(self, till: Till) -> None:
        begun = await till.begin()
        answer = await till.house.http.post(
            f"/checkouts/{begun.id}/payment", json=CARD, headers=begun.who.headers
        )
        assert what(answer) == (400, "idempotency-key-required")

    async def test_with_a_declined_card_ends_the_checkout_and_charges_nothing(self, till: Till) -> None:
        begun, key = await till.begin(), uuid4().hex
        answers = [await till.pay(begun, key=key, how=DECLINED) for _ in range(3)]
        assert what(answers[0]) == (402, "card-declined")
        assert len({answer.content for answer in answers}) == 1
        assert what(await till.pay(begun)) == (409, "checkout-closed")
        read = await till.read(begun)
        assert (read["state"], read["hold"]["live"], read["payment_state"]) == ("declined", False, "failed")
        assert (await till.charge(begun))["captured_minor"] == 0
        assert await till.books(begun) == []
        assert await till.house.places(begun.slot) == (1, 0)

    async def test_after_the_price_lock_has_expired_is_refused_with_the_new_price(self, till: Till) -> None:
        begun, key = await till.begin(), uuid4().hex
        await till.move_clock(PRICE_LOCK_S)
        begun.who.session = await till.house.log_in(begun.who.email)
        answers = [await till.pay(begun, key=key) for _ in range(2)]
        assert what(answers[0]) == (409, "price-lock-expired")
        assert answers[0].json()["quote"]["amount_minor"] == answers[0].json()["amount_minor"] == 1999
        assert answers[0].content == answers[1].content
        assert what(await till.pay(begun)) == (409, "price-lock-expired")
        assert await till.provider.charges(begun.id) == []
        assert await till.house.places(begun.slot) == (1, 0)

    async def test_goes_through_when_the_hold_is_over_and_nobody_took_it_away(self, till: Till) -> None:
        begun = await till.begin()
        await till.move_clock(700)
        assert what(await till.pay(begun)) == (201, "ok")

    async def test_for_nothing_books_without_the_provider(self, till: Till) -> None:
        begun = await till.begin(slot=await till.house.slot(price_minor=0))
        assert what(await till.pay(begun)) == (201, "ok")
        assert await till.provider.charges(begun.id) == []

    @pytest.mark.parametrize("same_key", [True, False], ids=["one key", "a key each"])
    async def test_many_times_at_once_charges_once(self, till: Till, same_key: bool) -> None:
        begun, key = await till.begin(), uuid4().hex
        answers = await asyncio.gather(*(till.pay(begun, key=key if same_key else None) for _ in range(6)))
        kinds = {what(answer) for answer in answers}
        assert (201, "ok") in kinds
        assert kinds <= {(201, "ok"), (409, "in-progress"), (409, "already-paid")}
        assert (await till.charge(begun))["captures"] == 1
        assert await till.books(begun) == [("capture", begun.amount_minor)]

    async def test_by_bank_holds_the_place_until_the_provider_says(self, till: Till) -> None:
        begun, key = await till.begin(), uuid4().hex
        first = await till.pay(begun, key=key, how=BANK)
        assert (first.status_code, first.json()["state"]) == (202, "processing")
        await till.move_clock(3 * DAY_S)
        await till.house.run_job("expire_holds")
        await till.house.run_job("recover_checkouts")
        begun.who.session = await till.house.log_in(begun.who.email)
        read = await till.read(begun)
        assert (read["state"], read["hold"]["live"]) == ("processing", True)
        assert (await till.pay(begun, how=BANK)).status_code == 202
        assert len(await till.provider.charges(begun.id)) == 1


class TestAnUndecidedPayment:
    async def test_is_not_decided_while_the_provider_is_away_and_resumes_with_its_key(
        self, till: Till
    ) -> None:
        begun, key = await till.begin(), uuid4().hex
        till.provider.kill()
        undecided = await till.pay(begun, key=key)
        assert what(undecided) == (503, "provider-unavailable")
        assert (await till.read(begun))["state"] == "paying"
        await till.provider.start()
        assert what(await till.pay(begun, key=key)) == (201, "ok")
        await till.charge(begun)

    async def test_is_resolved_by_a_new_key_and_not_paid_twice(
        self, till: Till, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        begun, key = await till.begin(), uuid4().hex
        await self._left_after_authorisation(till, begun, key, monkeypatch)
        assert what(await till.pay(begun)) == (409, "in-progress")
        await till.move_clock(31)
        resolved = await till.pay(begun, how={"method": "card", "token": "tok_other"})
        assert what(resolved) == (201, "ok")
        await till.charge(begun)
        first = await till.pay(begun, key=key)
        assert (first.status_code, first.json()) == (201, resolved.json())

    async def test_whose_owner_was_too_slow_is_not_captured_by_him(
        self, till: Till, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Recovery ends a checkout without an intent; the slow request creates its intent later."""
        begun = await till.begin()
        obtain = saga.obtain_intent
        slow: list[httpx.Response] = []

        async def overtaken(runtime: Runtime, attempt: saga.Attempt) -> Any:
            if attempt.token is None:
                return await obtain(runtime, attempt)
            await till.move_clock(31)
            slow.append(await till.house.http.post("/_control/jobs/recover_checkouts"))
            return await obtain(runtime, attempt)

        monkeypatch.setattr(saga, "obtain_intent", overtaken)
        assert what(await till.pay(begun)) == (409, "payment-not-taken")
        assert slow[0].json()["recovered"] == 1
        charge = await till.charge(begun)
        assert (charge["status"], charge["captured_minor"]) == ("canceled", 0)
        assert await till.house.places(begun.slot) == (1, 0)

    async def test_whose_place_is_gone_before_the_capture_is_not_captured(
        self, till: Till, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        begun, key = await till.begin(), uuid4().hex
        obtain = saga.obtain_intent

        async def robbed(runtime: Runtime, attempt: saga.Attempt) -> Any:
            intent = await obtain(runtime, attempt)
            await till.lose_place(begun)
            return intent

        monkeypatch.setattr(saga, "obtain_intent", robbed)
        answers = [await till.pay(begun, key=key) for _ in range(2)]
        assert [what(answer) for answer in answers] == [(409, "sold-out")] * 2
        assert answers[0].content == answers[1].content
        charge = await till.charge(begun)
        assert (charge["status"], charge["captured_minor"]) == ("canceled", 0)

    async def test_whose_place_is_gone_after_the_capture_is_paid_back(
        self, till: Till, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        begun, key = await till.begin(), uuid4().hex
        capture = saga.capture

        async def robbed(runtime: Runtime, attempt: saga.Attempt, intent: Any) -> Any:
            captured = await capture(runtime, attempt, intent)
            await till.lose_place(begun)
            return captured

        monkeypatch.setattr(saga, "capture", robbed)
        answers = [await till.pay(begun, key=key) for _ in range(2)]
        assert [what(answer) for answer in answers] == [(409, "sold-out")] * 2
        charge = await till.charge(begun)
        assert (charge["captured_minor"], charge["refunded_minor"]) == (1999, 1999)
        assert await till.books(begun) == [("capture", 1999), ("refund", 1999)]

    async def test_is_completed_though_the_session_ends_meanwhile(
        self, till: Till, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        begun = await till.begin()
        capture = saga.capture

        async def logged_out(runtime: Runtime, attempt: saga.Attempt, intent: Any) -> Any:
            answer = await till.house.http.delete("/accounts/me/sessions", headers=begun.who.headers)
            assert answer.is_success
            return await capture(runtime, attempt, intent)

        monkeypatch.setattr(saga, "capture", logged_out)
        assert what(await till.pay(begun)) == (201, "ok")
        begun.who.session = await till.house.log_in(begun.who.email)
        assert (await till.read(begun))["state"] == "booked"

    async def test_is_recovered_once_by_many(self, till: Till, monkeypatch: pytest.MonkeyPatch) -> None:
        left = [await till.begin() for _ in range(3)]
        for begun in left:
            await self._left_after_authorisation(till, begun, uuid4().hex, monkeypatch)
        await till.move_clock(31)
        reports = await asyncio.gather(*(till.house.run_job("recover_checkouts") for _ in range(3)))
        assert sum(report["recovered"] for report in reports) == 3
        for begun in left:
            assert (await till.read(begun))["state"] == "booked"
            assert (await till.charge(begun))["captures"] == 1

    async def test_waits_for_the_next_run_while_the_provider_is_away(
        self, till: Till, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        begun = await till.begin()
        await self._left_after_authorisation(till, begun, uuid4().hex, monkeypatch)
        await till.move_clock(31)
        till.provider.kill()
        assert (await till.house.run_job("recover_checkouts"))["unreachable"] == 1
        await till.provider.start()
        assert (await till.house.run_job("recover_checkouts"))["recovered"] == 1
        assert (await till.read(begun))["state"] == "booked"

    async def _left_after_authorisation(
        self, till: Till, begun: Begun, key: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Authorise the payment and end its request there, as if its process had died."""

        async def died(*_: Any) -> Any:
            raise RuntimeError("died")

        with monkeypatch.context() as patched:
            patched.setattr(saga, "guard", died)
            assert (await till.pay(begun, key=key)).status_code == 500


async def test_every_call_about_a_checkout_carries_the_same_keys(till: Till) -> None:
    begun = await till.bought()
    calls = (await till.provider.journal(begun.id))["calls"]
    keys = {call["key"] for call in calls if call["method"] == "POST"}
    assert keys == {f"checkout:{begun.id}", f"capture:{begun.id}"}


async def test_a_call_is_given_up_in_time(till: Till) -> None:
    """Tries are bounded: an unreachable provider costs seconds, not minutes."""
    assert client.RETRY_FOR_S + 2 * till.house.runtime.settings.provider_timeout_s < 6
