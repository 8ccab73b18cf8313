"""`POST /webhooks/provider`."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

import structlog
from fastapi import APIRouter, Header, Request
from pydantic import BaseModel

from reference_system.booking.problems import INVALID_REQUEST, Kind, Problem, responses
from reference_system.booking.runtime import HasNow, HasRuntime
from reference_system.booking.webhooks import service, signature
from reference_system.booking.webhooks.service import Event
from reference_system.booking.webhooks.signature import NotGenuine

router = APIRouter(prefix="/webhooks", tags=["webhooks"])

NOT_GENUINE = Kind("signature-invalid", 401, "The signature is missing, wrong or too old")
NOT_PROCESSED = Kind("webhook-not-processed", 500, "The event could not be processed; deliver it again")

_log = structlog.get_logger(__name__)


class Acknowledged(BaseModel):
    """`known`: it was taken before. `dead`: it was left to a person."""

    taken: Literal["applied", "known", "dead"]


@router.post("/provider", responses=responses(NOT_GENUINE, INVALID_REQUEST, NOT_PROCESSED))
async def receive(
    request: Request,
    runtime: HasRuntime,
    now: HasNow,
    provider_signature: Annotated[str | None, Header()] = None,
) -> Acknowledged:
    """Take an event of the payment provider; it is acknowledged once its effect is durable."""
    body = await request.body()
    settings = runtime.settings
    try:
        signature.verify(
            provider_signature,
            body,
            secret=settings.webhook_secret,
            now=now,
            tolerance_s=settings.webhook_tolerance_s,
        )
    except NotGenuine as error:
        _log.warning("webhook-refused", reason=str(error))
        raise Problem(NOT_GENUINE) from error
    taken = await service.take(runtime, event_of(body), now)
    if taken == "failed":
        raise Problem(NOT_PROCESSED)
    return Acknowledged(taken=taken)


def event_of(body: bytes) -> Event:
    """The event in a body; raises Problem (422) when there is none."""
    try:
        document: Any = json.loads(body)
        return Event(_text(document["id"]), _text(document["type"]), _object(document["data"]))
    except (ValueError, KeyError, TypeError) as error:
        raise Problem(INVALID_REQUEST, "This is no event.") from error


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise TypeError("not a text")
    return value


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise TypeError("not an object")
    return value
