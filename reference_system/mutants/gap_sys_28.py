"""SYS-28, webhooks: mistakes by which the provider's word is taken twice, too soon, or from anybody."""

from __future__ import annotations

import asyncio
from datetime import datetime
from uuid import UUID, uuid4

import structlog

from reference_system.booking.runtime import Runtime
from reference_system.booking.webhooks import service
from reference_system.booking.webhooks.service import Event, Taken
from reference_system.mutants.mutant import Edit, Mutant, Replace

_WEBHOOKS = "reference_system.booking.webhooks"
_PAYMENTS = "reference_system.booking.payments.store"

_take = service.take
_log = structlog.get_logger(__name__)
_in_hand: set[asyncio.Task[Taken]] = set()


def _as_often_as_it_comes(state: str) -> bool:
    return False


async def _take_in_the_background(runtime: Runtime, event: Event, now: datetime) -> Taken:
    task = asyncio.create_task(_take(runtime, event, now))
    _in_hand.add(task)
    task.add_done_callback(_in_hand.discard)
    return "applied"


def _from_anybody(mac: str, timestamp: int, body: bytes, *, secret: str) -> bool:
    return True


def _from_any_time(timestamp: int, *, now: datetime, tolerance_s: float) -> bool:
    return True


async def _nobody_compares(runtime: Runtime) -> tuple[UUID, int]:
    return uuid4(), 0


async def _log_and_go_on(runtime: Runtime, event: Event, error: str, now: datetime) -> Taken:
    _log.error("webhook-failed", event_id=event.id, type=event.type, error=error)
    return "applied"


MUTANTS = (
    Mutant(
        id="SYS-28.1",
        harm="A refund that the provider tells twice is on the books twice.",
        substitutions=(
            Replace(f"{_WEBHOOKS}.service:is_known", _as_often_as_it_comes),
            Edit(f"{_PAYMENTS}:FIND_REFUND", "provider_refund_id = :provider_refund_id OR ", ""),
        ),
        schema=("ALTER TABLE refunds DROP CONSTRAINT refunds_provider_id_once",),
    ),
    Mutant(
        id="SYS-28.2",
        harm="An event is acknowledged before it is taken: what a crash cuts is never sent again.",
        substitutions=(Replace(f"{_WEBHOOKS}.service:take", _take_in_the_background),),
        also_opens={"SYS-28.f": "it fails after the acknowledgement, so it is never delivered again"},
    ),
    Mutant(
        id="SYS-28.3",
        harm="Anybody can say that a payment has arrived.",
        substitutions=(Replace(f"{_WEBHOOKS}.signature:is_signed", _from_anybody),),
    ),
    Mutant(
        id="SYS-28.4",
        harm="A webhook that somebody wrote down can be played back a year later.",
        substitutions=(Replace(f"{_WEBHOOKS}.signature:is_recent", _from_any_time),),
    ),
    Mutant(
        id="SYS-28.5",
        harm="The authorisation, told late, makes a captured payment an authorised one again.",
        substitutions=(Edit(f"{_PAYMENTS}:ADVANCE", " AND payment_rank(state) < payment_rank(:state)", ""),),
        schema=("DROP TRIGGER payments_go_forward ON payments",),
    ),
    Mutant(
        id="SYS-28.6",
        harm="What the provider never told stays unknown: charged, and no booking.",
        substitutions=(Replace("reference_system.booking.reconciliation.service:run", _nobody_compares),),
        also_opens={"SYS-28.d": "what a refused copy reported is not made up for either"},
    ),
    Mutant(
        id="SYS-28.7",
        harm="An event that cannot be processed is in a log file, and nowhere else.",
        substitutions=(Replace(f"{_WEBHOOKS}.service:fail", _log_and_go_on),),
    ),
)
