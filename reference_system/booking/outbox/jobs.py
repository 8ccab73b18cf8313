"""The job that sends what is owed: announcements, and refunds to the provider."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from uuid import UUID

import structlog

from reference_system.booking import jobs
from reference_system.booking.db import UnitOfWork
from reference_system.booking.jobs import Report
from reference_system.booking.outbox import store
from reference_system.booking.payments import refunds
from reference_system.booking.payments import store as payments
from reference_system.booking.payments.client import ProviderFailed, ProviderUnreachable
from reference_system.booking.payments.intents import Malformed
from reference_system.booking.runtime import Runtime

BATCH = 100
GIVE_UP_AFTER = 3
"""So many refunds that found no provider end a run; the rest waits for the next."""

_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
_log = structlog.get_logger(__name__)


@jobs.register("send_outbox", every_s=2)
async def send_outbox(runtime: Runtime) -> Report:
    """Announce what was committed and send every refund that is owed, each at least once."""
    announced = await announce_all(runtime)
    return {"announced": announced, "refunds": await send_refunds(runtime)}


async def announce_all(runtime: Runtime) -> int:
    """Announce every unsent message; returns how many."""
    now = await runtime.clock.now()

    async def work(uow: UnitOfWork) -> int:
        messages = await store.take_unsent(uow, limit=BATCH)
        for message in messages:
            announce(message.id, message.topic, message.payload)
        if messages:
            await store.mark_sent(uow, ids=[message.id for message in messages], now=now)
        return len(messages)

    total = 0
    while True:
        sent = await runtime.database.run(work)
        total += sent
        if sent < BATCH:
            return total


def announce(message_id: int, topic: str, payload: str) -> None:
    """Nobody subscribes yet: an announcement is a line in the log, with the id to tell repeats by."""
    _log.info("announced", message=message_id, topic=topic, payload=payload)


async def send_refunds(runtime: Runtime) -> dict[str, int]:
    """Send every pending refund once; returns how many by what became of them."""
    outcomes: Counter[str] = Counter()
    after_at, after_id = _BEGINNING, UUID(int=0)
    while True:
        page = await payments.pending_refunds(
            runtime.database, after_at=after_at, after_id=after_id, limit=BATCH
        )
        for row in page:
            after_at, after_id = row.created_at, row.id
            outcomes[await _send(runtime, row.id)] += 1
            if outcomes["unreachable"] >= GIVE_UP_AFTER:
                return dict(outcomes)
        if len(page) < BATCH:
            return dict(outcomes)


async def _send(runtime: Runtime, refund_id: UUID) -> str:
    try:
        return await refunds.send(runtime, refund_id)
    except ProviderUnreachable:
        return "unreachable"
    except (ProviderFailed, Malformed) as error:
        _log.warning("refund-not-sent", refund=str(refund_id), error=str(error))
        return "refused"
