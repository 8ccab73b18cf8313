"""HARD-03, refunds: a refund that is owed is never sent."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from uuid import UUID

from reference_system.booking.outbox import jobs
from reference_system.booking.outbox.jobs import BATCH
from reference_system.booking.payments import store
from reference_system.booking.platform.runtime import Runtime
from reference_system.mutants.mutant import Mutant

sent_up_to: list[tuple[datetime, UUID]] = [(jobs._BEGINNING, UUID(int=0))]

newer_only = Mutant(
    "HARD-03.1",
    "A refund that commits after a later one was sent is never sent: the customer's money stays here.",
)


@newer_only.replace(jobs.send_refunds)
async def send_what_is_newer(runtime: Runtime) -> dict[str, int]:
    outcomes: Counter[str] = Counter()
    while True:
        after_at, after_id = sent_up_to[-1]
        page = await store.pending_refunds(
            runtime.database, after_at=after_at, after_id=after_id, limit=BATCH
        )
        for row in page:
            outcomes[await jobs._send(runtime, row.id)] += 1
            if outcomes["unreachable"]:
                return dict(outcomes)
            sent_up_to.append((row.created_at, row.id))
        if len(page) < BATCH:
            return dict(outcomes)
