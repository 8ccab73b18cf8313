"""The provider's client: bounded tries under one key; refusals and missing answers differ."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import httpx
import pytest
import stamina

from reference_system.booking.payments.client import (
    TRIES,
    ProviderClient,
    ProviderRefused,
    ProviderUnreachable,
    checkout_key,
    refund_key,
)
from reference_system.booking.payments.intents import Malformed

INTENT: dict[str, Any] = {
    "id": "pi_1",
    "status": "requires_capture",
    "currency": "EUR",
    "amount": "19.99",
    "amount_captured": "0.00",
    "amount_refunded": "0.00",
    "amount_refund_pending": "0.00",
    "created": 1_800_000_000.5,
    "authorized_until": 1_800_600_000,
    "metadata": {"checkout_id": str(uuid4())},
}
CAPTURED = INTENT | {"status": "captured", "amount_captured": "19.99", "authorized_until": None}

Answers = Callable[[httpx.Request], httpx.Response]


class Provider:
    """Answers from a list, repeating the last one, and records the requests."""

    def __init__(self, *answers: httpx.Response | Exception) -> None:
        self.answers = list(answers)
        self.asked: list[httpx.Request] = []

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return httpx.Response(answer.status_code, content=answer.content)

    def client(self, *, timeout_s: float = 1) -> ProviderClient:
        made = ProviderClient("http://provider", key="a key", timeout_s=timeout_s)
        made._http = httpx.AsyncClient(
            transport=httpx.MockTransport(self), base_url="http://provider", headers=made._http.headers
        )
        return made


def refused(status: int, code: str, intent: dict[str, Any] | None = None) -> httpx.Response:
    error = {"code": code, "message": "no"} | ({"payment_intent": intent} if intent else {})
    return httpx.Response(status, json={"error": error})


async def create(client: ProviderClient) -> Any:
    return await client.create_intent(
        checkout_id=uuid4(), amount_minor=1999, currency="EUR", method="card", token="tok_visa"
    )


async def test_a_call_says_what_is_meant() -> None:
    provider, checkout = Provider(httpx.Response(200, json=INTENT)), uuid4()
    intent = await provider.client().create_intent(
        checkout_id=checkout, amount_minor=1234, currency="KWD", method="bank", token="tok_iban"
    )
    (asked,) = provider.asked
    assert asked.headers["Authorization"] == "Bearer a key"
    assert asked.headers["Idempotency-Key"] == checkout_key(checkout)
    assert httpx.Response(200, content=asked.content).json() == {
        "amount": "1.234",
        "currency": "KWD",
        "method": "bank",
        "token": "tok_iban",
        "capture": "automatic",
        "metadata": {"checkout_id": str(checkout)},
    }
    assert (intent.amount_minor, intent.is_captured) == (1999, False)


@pytest.mark.parametrize(
    "silence",
    [
        httpx.Response(500),
        httpx.Response(503, text="busy"),
        httpx.Response(429),
        httpx.Response(200, text="<html>"),
        httpx.Response(200, json=[]),
        httpx.ConnectError("refused"),
        httpx.ReadTimeout("slow"),
        httpx.RemoteProtocolError("cut"),
        ConnectionResetError(),
    ],
    ids=repr,
)
async def test_silence_is_tried_again_under_the_same_key(silence: httpx.Response | Exception) -> None:
    with stamina.set_testing(True, attempts=TRIES):
        provider = Provider(silence, silence, httpx.Response(200, json=INTENT))
        assert (await create(provider.client())).id == "pi_1"
        assert len({asked.headers["Idempotency-Key"] for asked in provider.asked}) == 1

        provider = Provider(silence)
        with pytest.raises(ProviderUnreachable):
            await create(provider.client())
        assert len(provider.asked) == TRIES


async def test_an_answer_that_trickles_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    client = Provider(httpx.Response(200, json=INTENT)).client(timeout_s=0.01)
    never = asyncio.Event()

    async def trickle(*_: Any, **__: Any) -> Any:
        await never.wait()

    monkeypatch.setattr(client._http, "request", trickle)
    with stamina.set_testing(True), pytest.raises(ProviderUnreachable):
        await client.read_intent("pi_1")


async def test_a_declined_card_is_an_intent() -> None:
    provider = Provider(refused(402, "card_declined", INTENT | {"status": "declined"}))
    assert (await create(provider.client())).status == "declined"


async def test_an_intent_that_is_captured_already_is_as_good_as_captured() -> None:
    provider = Provider(refused(409, "already_captured", CAPTURED))
    assert (await provider.client().capture("pi_1", key="k")).is_captured


async def test_what_cannot_be_voided_is_returned_as_it_is() -> None:
    provider = Provider(refused(409, "not_cancelable", CAPTURED))
    assert (await provider.client().cancel("pi_1")).is_captured


@pytest.mark.parametrize("call", ["capture", "cancel", "create", "read"])
async def test_a_refusal_is_final_and_says_why(call: str) -> None:
    provider = Provider(refused(401, "unauthorized"))
    client = provider.client()
    calls = {
        "capture": lambda: client.capture("pi_1", key="k"),
        "cancel": lambda: client.cancel("pi_1"),
        "create": lambda: create(client),
        "read": lambda: client.read_intent("pi_1"),
    }
    with pytest.raises(ProviderRefused) as raised:
        await calls[call]()
    assert (raised.value.status, raised.value.code, len(provider.asked)) == (401, "unauthorized", 1)


async def test_an_unknown_intent_is_none() -> None:
    assert await Provider(refused(404, "not_found")).client().read_intent("pi_1") is None


@pytest.mark.parametrize(
    "harm",
    [
        {"status": "paid"},
        {"amount": "19.999"},
        {"amount": None},
        {"currency": "XXX"},
        {"created": "today"},
        {"metadata": None},
        {"id": ""},
    ],
    ids=str,
)
async def test_what_cannot_be_understood_is_said_to_be_malformed(harm: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        await Provider(httpx.Response(200, json=INTENT | harm)).client().read_intent("pi_1")


async def test_a_reference_to_something_else_is_no_checkout() -> None:
    document = INTENT | {"metadata": {"checkout_id": "order 17"}}
    intent = await Provider(httpx.Response(200, json=document)).client().read_intent("pi_1")
    assert intent is not None
    assert intent.checkout_id is None


async def test_a_page_without_data_is_malformed() -> None:
    with pytest.raises(Malformed):
        await Provider(httpx.Response(200, json={})).client().intents_after("")


async def test_the_intents_of_a_checkout_come_from_all_pages_oldest_first() -> None:
    older = INTENT | {"id": "pi_2", "created": 1_700_000_000}
    provider = Provider(
        httpx.Response(200, json={"data": [INTENT], "has_more": True}),
        httpx.Response(200, json={"data": [older], "has_more": False}),
    )
    assert [intent.id for intent in await provider.client().intents_of(uuid4())] == ["pi_2", "pi_1"]
    assert provider.asked[1].url.params["after"] == "pi_1"


async def test_a_refund_carries_its_own_id_and_key() -> None:
    refund, document = uuid4(), {"id": "re_1", "payment_intent": "pi_1", "amount": "5.00", "currency": "EUR"}
    document |= {"status": "pending", "metadata": {"refund_id": str(refund)}}  # type: ignore[dict-item]
    provider = Provider(httpx.Response(200, json=document))
    sent = await provider.client().refund(
        refund_id=refund, intent_id="pi_1", amount_minor=500, currency="EUR"
    )
    assert (sent.refund_id, sent.amount_minor) == (refund, 500)
    assert provider.asked[0].headers["Idempotency-Key"] == refund_key(refund)
