"""The job that sends announcements, and refunds to the provider."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from uuid import UUID

import structlog

from reference_system.booking.outbox import store
from reference_system.booking.payments import refunds
from reference_system.booking.payments import store as payments
from reference_system.booking.payments.client import ProviderFailed, ProviderUnreachable
from reference_system.booking.payments.intents import Malformed
from reference_system.booking.platform import jobs
from reference_system.booking.platform.db import UnitOfWork
from reference_system.booking.platform.jobs import Report
from reference_system.booking.platform.runtime import Runtime

BATCH = 100
GIVE_UP_AFTER = 3
"""After this many refunds that could not reach the provider a run ends; the rest waits for the next."""

_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
_log = structlog.get_logger(__name__)


@jobs.register("send_outbox", every_s=2)
async def send_outbox(runtime: Runtime) -> Report:
    """Announce committed changes and send every owed refund, each at least once."""
    announced = await announce_all(runtime)
    return {"announced": announced, "refunds": await send_refunds(runtime)}


async def announce_all(runtime: Runtime) -> int:
    """Announce every unsent message; returns their number."""
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
    """Write an announcement to the log, with an id that identifies repeats; there is no subscriber yet."""
    _log.info("announced", message=message_id, topic=topic, payload=payload)


async def send_refunds(runtime: Runtime) -> dict[str, int]:
    """Send every pending refund once; returns the number of refunds by resulting state."""
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
