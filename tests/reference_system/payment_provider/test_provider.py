"""The payment provider: its API, its webhooks and its control plane."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from tests.reference_system.payment_provider import process
from tests.reference_system.payment_provider.process import KEY, WEBHOOK_SECRET, Provider
from tests.reference_system.payment_provider.receiver import Receiver, receiving

DAY_S = 86_400.0


@pytest.fixture(scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Provider]:
    async with process.running(Path(tmp_path_factory.mktemp("provider"))) as running:
        yield running


@pytest.fixture
async def provider(shared: Provider) -> AsyncIterator[Provider]:
    yield shared
    await shared.control("/clock", offset_s=0)
    await shared.control("/refunds/mode", mode="instant")


@asynccontextmanager
async def delivering(folder: Path) -> AsyncIterator[tuple[Provider, Receiver]]:
    """A provider that delivers its events to a receiver."""
    async with (
        receiving() as receiver,
        process.running(folder, PROVIDER_WEBHOOK_URL=receiver.url, PROVIDER_RETRY_BASE_S="0.05") as running,
    ):
        yield running, receiver


async def authorized(provider: Provider, **body: object) -> str:
    answer = await provider.create(**body)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["id"])


async def captured(provider: Provider, **body: object) -> str:
    intent = await authorized(provider, **body)
    assert (await capture(provider, intent)).status_code == 200
    return intent


async def capture(provider: Provider, intent: str, *, key: str = "") -> httpx.Response:
    headers = {"Idempotency-Key": key} if key else {}
    return await provider.http.post(f"/v1/payment_intents/{intent}/capture", headers=headers)


async def read(provider: Provider, intent: str) -> dict[str, object]:
    found: dict[str, object] = (await provider.http.get(f"/v1/payment_intents/{intent}")).json()
    return found


async def refund(provider: Provider, intent: str, amount: str, *, key: str = "") -> httpx.Response:
    headers = {"Idempotency-Key": key} if key else {}
    return await provider.http.post(
        "/v1/refunds", json={"payment_intent": intent, "amount": amount}, headers=headers
    )


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


class TestPayments:
    async def test_a_card_is_authorised_and_nothing_is_taken_before_its_capture(
        self, provider: Provider
    ) -> None:
        intent = await authorized(provider)
        before = await read(provider, intent)
        assert (before["status"], before["amount_captured"]) == ("requires_capture", "0.00")
        assert (await capture(provider, intent)).json()["amount_captured"] == "19.99"

    async def test_a_second_capture_is_an_error_and_takes_nothing(self, provider: Provider) -> None:
        intent = await captured(provider)
        assert code(await capture(provider, intent)) == (409, "already_captured")
        assert (await read(provider, intent))["captures"] == 1

    async def test_a_declined_card_is_remembered_as_declined(self, provider: Provider) -> None:
        answer = await provider.create(token="tok_declined")
        assert code(answer) == (402, "card_declined")
        intent = answer.json()["error"]["payment_intent"]["id"]
        assert (await read(provider, intent))["status"] == "declined"
        assert code(await capture(provider, intent)) == (409, "not_capturable")

    async def test_a_bank_payment_waits_until_it_is_settled(self, provider: Provider) -> None:
        intent = await authorized(provider, method="bank", capture="automatic")
        assert (await read(provider, intent))["status"] == "processing"
        assert (await provider.control(f"/intents/{intent}/settle"))["status"] == "captured"

    async def test_an_authorisation_lapses_after_seven_days_of_its_clock(self, provider: Provider) -> None:
        intent = await authorized(provider)
        await provider.control("/clock", offset_s=7 * DAY_S + 1)
        assert (await read(provider, intent))["status"] == "canceled"
        assert code(await capture(provider, intent)) == (409, "not_capturable")

    async def test_a_cancelled_authorisation_cannot_be_captured(self, provider: Provider) -> None:
        intent = await authorized(provider)
        for _ in range(2):
            answer = await provider.http.post(f"/v1/payment_intents/{intent}/cancel")
            assert answer.json()["status"] == "canceled"
        assert code(await capture(provider, intent)) == (409, "not_capturable")

    async def test_a_captured_payment_cannot_be_cancelled(self, provider: Provider) -> None:
        intent = await captured(provider)
        answer = await provider.http.post(f"/v1/payment_intents/{intent}/cancel")
        assert code(answer) == (409, "not_cancelable")

    @pytest.mark.parametrize(
        ("amount", "currency", "minor"),
        [("500", "JPY", 500), ("1.234", "KWD", 1234), ("0.29", "EUR", 29), ("1.0005", "CLF", 10005)],
    )
    async def test_amounts_are_exact_in_every_currency(
        self, provider: Provider, amount: str, currency: str, minor: int
    ) -> None:
        checkout = f"exact-{currency}"
        await captured(provider, amount=amount, currency=currency, metadata={"checkout_id": checkout})
        (charge,) = await provider.charges(checkout)
        assert (charge["captured_minor"], charge["currency"]) == (minor, currency)

    @pytest.mark.parametrize(
        "wrong",
        [
            {"amount": "19.999"},
            {"amount": 19.99},
            {"amount": "much"},
            {"amount": "-1"},
            {"amount": "1.5", "currency": "JPY"},
            {"currency": "euro"},
            {"method": "cash"},
            {"metadata": "none"},
        ],
    )
    async def test_a_malformed_call_is_refused(self, provider: Provider, wrong: dict[str, object]) -> None:
        assert code(await provider.create(**wrong)) == (422, "invalid_request")

    async def test_a_caller_without_the_key_is_refused(self, provider: Provider) -> None:
        answer = await provider.http.get("/v1/payment_intents", headers={"Authorization": "Bearer wrong"})
        assert code(answer) == (401, "unauthorized")

    async def test_the_intents_of_a_checkout_are_found_by_it(self, provider: Provider) -> None:
        made = [await authorized(provider, metadata={"checkout_id": "two"}) for _ in range(2)]
        found = (await provider.http.get("/v1/payment_intents", params={"checkout_id": "two"})).json()
        assert [intent["id"] for intent in found["data"]] == sorted(made)


class TestIdempotencyKeys:
    async def test_a_repeat_gets_the_first_answer_and_does_nothing(self, provider: Provider) -> None:
        first, again = [await provider.create(key="once") for _ in range(2)]
        assert first.json() == again.json()
        assert again.headers["idempotent-replayed"] == "true"

    async def test_a_second_capture_with_its_key_is_replayed(self, provider: Provider) -> None:
        intent = await authorized(provider)
        first, again = [await capture(provider, intent, key="take it") for _ in range(2)]
        assert (first.status_code, again.status_code) == (200, 200)
        assert (await read(provider, intent))["captures"] == 1

    async def test_a_refusal_is_replayed_too(self, provider: Provider) -> None:
        first, again = [await provider.create(key="declined", token="tok_declined") for _ in range(2)]
        assert (first.status_code, first.json()) == (again.status_code, again.json())

    async def test_another_body_under_the_same_key_is_a_conflict(self, provider: Provider) -> None:
        await provider.create(key="mine")
        assert code(await provider.create(key="mine", amount="1.00")) == (409, "idempotency_conflict")

    async def test_what_was_malformed_may_be_mended_under_the_same_key(self, provider: Provider) -> None:
        await provider.create(key="mended", amount="much")
        assert (await provider.create(key="mended")).status_code == 200

    async def test_without_a_key_every_call_counts(self, provider: Provider) -> None:
        first, second = [(await provider.create()).json()["id"] for _ in range(2)]
        assert first != second


class TestRefunds:
    async def test_a_refund_succeeds_at_once_and_once_a_key(self, provider: Provider) -> None:
        intent = await captured(provider)
        answers = [await refund(provider, intent, "5.00", key=f"back {intent}") for _ in range(2)]
        assert {answer.json()["status"] for answer in answers} == {"succeeded"}
        assert (await read(provider, intent))["amount_refunded"] == "5.00"

    async def test_a_pending_refund_counts_when_it_is_settled(self, provider: Provider) -> None:
        intent = await captured(provider)
        await provider.control("/refunds/mode", mode="pending")
        assert (await refund(provider, intent, "5.00")).json()["status"] == "pending"
        shown = await read(provider, intent)
        assert (shown["amount_refunded"], shown["amount_refund_pending"]) == ("0.00", "5.00")
        await provider.control("/refunds/settle")
        shown = await read(provider, intent)
        assert (shown["amount_refunded"], shown["amount_refund_pending"]) == ("5.00", "0.00")

    async def test_a_refund_that_fails_leaves_the_money(self, provider: Provider) -> None:
        intent = await captured(provider)
        await provider.control("/refunds/mode", mode="pending")
        await refund(provider, intent, "5.00")
        await provider.control("/refunds/settle", succeeded=False)
        assert (await read(provider, intent))["amount_refunded"] == "0.00"
        assert [event["type"] for event in await provider.events(intent)][-1] == "refund.failed"

    async def test_never_more_goes_back_than_was_captured(self, provider: Provider) -> None:
        intent = await captured(provider)
        await provider.control("/refunds/mode", mode="pending")
        await refund(provider, intent, "15.00")
        assert code(await refund(provider, intent, "5.00")) == (409, "amount_too_large")

    async def test_nothing_goes_back_of_what_was_not_captured(self, provider: Provider) -> None:
        intent = await authorized(provider)
        assert code(await refund(provider, intent, "5.00")) == (409, "amount_too_large")

    async def test_a_refund_by_hand_takes_what_is_left(self, provider: Provider) -> None:
        intent = await captured(provider)
        await refund(provider, intent, "5.00")
        assert (await provider.control(f"/intents/{intent}/refund"))["amount"] == "14.99"


class TestJournal:
    async def test_survives_kill_9(self, provider: Provider) -> None:
        first = await provider.create(key="before the kill", metadata={"checkout_id": "killed"})
        intent = first.json()["id"]
        await capture(provider, intent, key="capture before the kill")
        await provider.control("/refunds/mode", mode="pending")
        provider.kill()
        await provider.start()
        assert (await provider.create(key="before the kill", metadata={"checkout_id": "killed"})).json() == (
            first.json()
        )
        (charge,) = await provider.charges("killed")
        assert (charge["captured_minor"], charge["captures"]) == (1999, 1)
        assert (await refund(provider, intent, "1.00")).json()["status"] == "pending"

    async def test_keeps_every_call_with_its_key_and_outcome(self, provider: Provider) -> None:
        intent = await authorized(provider, metadata={"checkout_id": "called"})
        for _ in range(2):
            await capture(provider, intent, key=f"capture {intent}")
        calls = (await provider.journal("called"))["calls"]
        captures = [call for call in calls if call["path"].endswith("/capture")]
        assert [(call["status"], call["replayed"]) for call in captures] == [(200, 0), (200, 1)]

    async def test_events_hold_the_payment_as_it_was(self, provider: Provider) -> None:
        intent = await captured(provider)
        await refund(provider, intent, "5.00")
        events = await provider.events(intent)
        assert [event["type"] for event in events] == [
            "payment.authorized",
            "payment.captured",
            "refund.succeeded",
        ]
        assert [event["data"]["payment_intent"]["amount_refunded"] for event in events] == [
            "0.00",
            "0.00",
            "5.00",
        ]
        assert events[-1]["data"]["refund"]["amount"] == "5.00"

    async def test_a_bulk_can_be_paged_in_order(self, provider: Provider) -> None:
        made = await provider.control("/bulk", prefix="zz", count=7)
        found: list[str] = []
        after, more = "pi_zz", True
        while more:
            page = (
                await provider.http.get("/v1/payment_intents", params={"after": after, "limit": 3})
            ).json()
            found += [intent["id"] for intent in page["data"]]
            after, more = page["data"][-1]["id"], page["has_more"]
        assert (found[0], found[-1], len(found)) == (made["first"], made["last"], 7)

    async def test_what_is_fabricated_tells_nobody(self, provider: Provider) -> None:
        made = await provider.control(
            "/intents", amount="25.00", currency="EUR", metadata={"checkout_id": "forged"}
        )
        assert made["status"] == "captured"
        assert await provider.events(made["id"]) == []
        changed = await provider.patch(made["id"], amount_captured="26.00")
        assert (changed["amount_captured"], changed["amount"]) == ("26.00", "25.00")
        assert await provider.events(made["id"]) == []

    async def test_records_are_written_as_given_and_removed(self, provider: Provider) -> None:
        intent = {
            "id": "pi_given",
            "status": "requires_capture",
            "method": "card",
            "amount_minor": 2500,
            "currency": "JPY",
            "captured_minor": 0,
            "refunded_minor": 0,
            "captures": 0,
            "created": 1.5,
            "authorized_until": time.time() + DAY_S,
            "checkout_id": "c-given",
            "metadata": {"checkout_id": "c-given"},
        }
        paid = {**intent, "id": "pi_paid", "status": "captured", "captured_minor": 2500, "captures": 1}
        refund = {
            "id": "re_given",
            "payment_intent": "pi_paid",
            "amount_minor": 400,
            "status": "pending",
            "created": 2.5,
            "metadata": {"refund_id": "r-given"},
        }
        await provider.control(
            "/records", intents=[intent, paid], refunds=[refund], captured_under={"pi_given": "capture:given"}
        )
        # The call is remembered, so that its key captures nothing any more.
        repeated = await capture(provider, "pi_given", key="capture:given")
        assert repeated.json()["amount_captured"] == "2500"
        shown = (await provider.http.get("/v1/payment_intents/pi_given")).json()
        assert (shown["status"], shown["amount_captured"], shown["created"]) == ("requires_capture", "0", 1.5)
        assert (await capture(provider, "pi_given", key="recapture:given")).json()["status"] == "captured"
        pending = (await provider.http.get("/v1/payment_intents/pi_paid")).json()
        assert pending["amount_refund_pending"] == "400"
        await provider.control("/records", remove=["pi_given", "pi_paid"])
        assert (await provider.http.get("/v1/payment_intents/pi_given")).status_code == 404


class TestDeliveries:
    async def test_each_event_is_delivered_signed_until_it_is_acknowledged(self, tmp_path: Path) -> None:
        async with delivering(tmp_path) as (provider, receiver):
            receiver.answers = [500, 503]
            await captured(provider)
            await receiver.until(lambda: receiver.accepted == {"payment.authorized", "payment.captured"})
            for delivery in receiver.deliveries:
                stamp, mac = (part.partition("=")[2] for part in delivery.signature.split(","))
                assert abs(time.time() - int(stamp)) < 60
                signed = hmac.new(
                    WEBHOOK_SECRET.encode(), f"{stamp}.".encode() + delivery.body, hashlib.sha256
                )
                assert signed.hexdigest() == mac
            assert len(receiver.deliveries) == 4

    async def test_a_provider_that_was_killed_goes_on_delivering(self, tmp_path: Path) -> None:
        async with delivering(tmp_path) as (provider, receiver):
            await provider.control("/deliveries", mode="held")
            await authorized(provider)
            provider.kill()
            await provider.start()
            assert receiver.deliveries == []
            await provider.control("/deliveries", mode="auto")
            await receiver.until(lambda: receiver.accepted == {"payment.authorized"})

    async def test_held_events_are_delivered_when_told_in_order_and_as_often_as_told(
        self, tmp_path: Path
    ) -> None:
        async with delivering(tmp_path) as (provider, receiver):
            await provider.control("/deliveries", mode="held")
            intent = await captured(provider)
            other = await authorized(provider)
            run = await provider.control("/deliveries/run", payment_intents=[intent])
            assert [one["type"] for one in run["deliveries"]] == ["payment.authorized", "payment.captured"]
            assert all(one["acknowledged"] for one in run["deliveries"])
            (waiting,) = (await provider.control("/deliveries/run"))["deliveries"]
            assert waiting["payment_intent"] == other
            once_more = await provider.control(f"/events/{waiting['event']}/deliver")
            assert once_more["acknowledged"]
            assert len(receiver.deliveries) == 4

    async def test_a_receiver_that_is_away_gets_it_by_the_clock(self, tmp_path: Path) -> None:
        async with delivering(tmp_path) as (provider, receiver):
            receiver.answers = [500] * 100
            await authorized(provider)
            await receiver.until(lambda: len(receiver.deliveries) >= 3)
            receiver.answers = []
            await provider.control("/clock", offset_s=DAY_S)
            await receiver.until(lambda: receiver.accepted == {"payment.authorized"})


async def test_the_control_plane_is_there_only_where_it_is_allowed(tmp_path: Path) -> None:
    async with process.running(tmp_path, PROVIDER_CONTROL="0") as provider:
        assert (await provider.http.get("/_control/clock")).status_code == 404
        assert (await provider.http.get("/v1/events")).status_code == 200


async def test_it_does_not_start_without_a_key(tmp_path: Path) -> None:
    started = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "reference_system.payment_provider", "--data-dir", str(tmp_path)),
        env={"PATH": "", "PYTHONPATH": "."},
        stderr=asyncio.subprocess.PIPE,
    )
    _, said = await started.communicate()
    assert started.returncode == 1
    assert b"PROVIDER_KEY" in said
    assert KEY.encode() not in said
