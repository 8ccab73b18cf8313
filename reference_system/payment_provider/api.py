"""The provider's public API: `/v1`, with a bearer key."""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from reference_system.payment_provider import events, idempotency, intents, refunds
from reference_system.payment_provider.errors import Refused, invalid
from reference_system.payment_provider.journal import Journal
from reference_system.payment_provider.settings import Settings

PAGE_LIMIT = 1000


async def create_intent(request: Request) -> Response:
    settings = _settings(request)
    return await _mutate(
        request,
        lambda journal, body: intents.create(journal, body, authorization_days=settings.authorization_days),
    )


async def capture_intent(request: Request) -> Response:
    return await _mutate(request, lambda journal, _: intents.capture(journal, _id(request)))


async def cancel_intent(request: Request) -> Response:
    return await _mutate(request, lambda journal, _: intents.cancel(journal, _id(request)))


async def create_refund(request: Request) -> Response:
    return await _mutate(request, lambda journal, body: refunds.create(journal, body, mode=journal.refunds))


async def read_intent(request: Request) -> Response:
    return _read(request, lambda journal: intents.shown(journal, intents.row(journal, _id(request))))


async def list_intents(request: Request) -> Response:
    query = request.query_params
    return _read(
        request,
        lambda journal: intents.page(
            journal,
            checkout_id=query.get("checkout_id"),
            after=query.get("after", ""),
            limit=_limit(request),
        ),
    )


async def list_refunds(request: Request) -> Response:
    return _read(
        request, lambda journal: refunds.of_intent(journal, request.query_params.get("payment_intent", ""))
    )


async def list_events(request: Request) -> Response:
    query = request.query_params
    return _read(
        request,
        lambda journal: events.page(
            journal,
            intent_id=query.get("payment_intent"),
            after=query.get("after"),
            limit=_limit(request),
        ),
    )


async def health(_request: Request) -> Response:
    return JSONResponse({"status": "ok"})


ROUTES: list[BaseRoute] = [
    Route("/health", health),
    Route("/v1/payment_intents", create_intent, methods=["POST"]),
    Route("/v1/payment_intents", list_intents, methods=["GET"]),
    Route("/v1/payment_intents/{id}", read_intent, methods=["GET"]),
    Route("/v1/payment_intents/{id}/capture", capture_intent, methods=["POST"]),
    Route("/v1/payment_intents/{id}/cancel", cancel_intent, methods=["POST"]),
    Route("/v1/refunds", create_refund, methods=["POST"]),
    Route("/v1/refunds", list_refunds, methods=["GET"]),
    Route("/v1/events", list_events, methods=["GET"]),
]


# -- one transaction per call ----------------------------------------------------------------------


async def _mutate(request: Request, act: Callable[[Journal, dict[str, Any]], dict[str, Any]]) -> Response:
    _authenticate(request)
    body = await body_of(request)
    journal: Journal = request.app.state.journal
    key = request.headers.get("idempotency-key")
    with journal.transaction():
        status, answered, replayed = idempotency.answer(
            journal, key, request.url.path, body, lambda: act(journal, body)
        )
        subject = answered if status == 200 else answered["error"].get("payment_intent", {})
        note_call(journal, request, status, replayed=replayed, intent_id=_intent_of(subject))
    request.app.state.deliveries.wake()
    headers = {"Idempotent-Replayed": "true"} if replayed else None
    return JSONResponse(answered, status, headers)


def _read(request: Request, ask: Callable[[Journal], dict[str, Any]]) -> Response:
    _authenticate(request)
    journal: Journal = request.app.state.journal
    answered = ask(journal)
    note_call(journal, request, 200, replayed=False, intent_id=request.path_params.get("id"))
    return JSONResponse(answered)


def note_call(
    journal: Journal, request: Request, status: int, *, replayed: bool, intent_id: str | None
) -> None:
    """Record the call in the journal, in the transaction of its effect."""
    journal.db.execute(
        "INSERT INTO calls (at, method, path, key, status, replayed, payment_intent) "
        "VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            journal.now(),
            request.method,
            request.url.path,
            request.headers.get("idempotency-key"),
            status,
            replayed,
            intent_id,
        ),
    )


def _authenticate(request: Request) -> None:
    shown = request.headers.get("authorization", "").encode()
    if not hmac.compare_digest(shown, f"Bearer {_settings(request).key}".encode()):
        raise Refused(401, "unauthorized", "show the key as a bearer token")


async def body_of(request: Request) -> dict[str, Any]:
    """Return the JSON object in the body of a call; an empty body is an empty object. Raises Refused 422."""
    raw = await request.body()
    try:
        body = json.loads(raw) if raw else {}
    except ValueError:
        raise invalid("the body is no JSON") from None
    if not isinstance(body, dict):
        raise invalid("the body is no JSON object")
    return body


def _intent_of(answered: dict[str, Any]) -> str | None:
    """Return the id of the intent in an answer, which is an intent or a refund."""
    found = answered.get("payment_intent", answered.get("id"))
    return found if isinstance(found, str) else None


def _limit(request: Request) -> int:
    text = request.query_params.get("limit", "200")
    if not text.isdigit() or not 1 <= int(text) <= PAGE_LIMIT:
        raise invalid(f"limit is a number from 1 to {PAGE_LIMIT}")
    return int(text)


def _id(request: Request) -> str:
    return str(request.path_params["id"])


def _settings(request: Request) -> Settings:
    settings: Settings = request.app.state.settings
    return settings
