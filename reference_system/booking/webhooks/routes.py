"""`POST /webhooks/provider`."""

from __future__ import annotations

from typing import Annotated, Literal

import structlog
from fastapi import APIRouter, Header, Request
from pydantic import BaseModel

from reference_system.booking.platform.problems import Kind, Problem, responses
from reference_system.booking.platform.runtime import HasNow, HasRuntime
from reference_system.booking.webhooks import events, service, signature
from reference_system.booking.webhooks.signature import NotGenuine

router = APIRouter(prefix="/webhooks", tags=["webhooks"])

NOT_GENUINE = Kind("signature-invalid", 401, "The signature is missing, wrong or too old")
NOT_PROCESSED = Kind("webhook-not-processed", 500, "The event could not be processed; deliver it again")

_log = structlog.get_logger(__name__)


class Acknowledged(BaseModel):
    """`known`: it was taken before. `dead`: it was left to a person."""

    taken: Literal["applied", "known", "dead"]


@router.post("/provider", responses=responses(NOT_GENUINE, NOT_PROCESSED))
async def receive(
    request: Request,
    runtime: HasRuntime,
    now: HasNow,
    provider_signature: Annotated[list[str] | None, Header()] = None,
) -> Acknowledged:
    """Take an event of the payment provider; it is acknowledged once its effect is durable."""
    body = await request.body()
    settings = runtime.settings
    try:
        signature.verify(
            ", ".join(provider_signature) if provider_signature is not None else None,
            body,
            secret=settings.webhook_secret,
            now=now,
            tolerance_s=settings.webhook_tolerance_s,
        )
    except NotGenuine as error:
        _log.warning("webhook-refused", reason=str(error))
        raise Problem(NOT_GENUINE) from error
    taken = await service.take(runtime, events.read(body), now)
    if taken == "failed":
        raise Problem(NOT_PROCESSED)
    return Acknowledged(taken=taken)
