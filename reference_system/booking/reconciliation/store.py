"""Runs, findings and the local records, in pages and by checkout."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Row

from reference_system.booking.platform.db import Database, UnitOfWork
from reference_system.booking.reconciliation.facts import Summary

# -- runs and findings ------------------------------------------------------------------------------

INTERRUPTED_RUN = """
SELECT id FROM reconciliation_runs WHERE finished_at IS NULL AND started_at > :since
ORDER BY started_at DESC, id LIMIT 1
FOR UPDATE
"""
BEGIN_RUN = "INSERT INTO reconciliation_runs (id, started_at) VALUES (:run_id, :now)"
NOTE_PROGRESS = "UPDATE reconciliation_runs SET examined = :examined, cursor = :cursor WHERE id = :run_id"
FINISH_RUN = """
UPDATE reconciliation_runs SET examined = :examined, cursor = NULL, finished_at = :now WHERE id = :run_id
"""
ADD_FINDING = """
INSERT INTO reconciliation_findings (run_id, kind, subject, action, detail)
VALUES (:run_id, :kind, :subject, :action, CAST(:detail AS jsonb))
ON CONFLICT (run_id, kind, subject) DO NOTHING
"""
FOUND_BEFORE = (
    "SELECT 1 AS found FROM reconciliation_findings WHERE run_id = :run_id AND subject = :subject LIMIT 1"
)
FINDINGS = """
SELECT kind, subject, action, detail FROM reconciliation_findings WHERE run_id = :run_id ORDER BY id
"""
READ_RUN = "SELECT id, started_at, finished_at, examined FROM reconciliation_runs WHERE id = :run_id"
RUNS = """
SELECT id, started_at, finished_at, examined FROM reconciliation_runs
ORDER BY started_at DESC, id LIMIT :limit
"""

# -- pages ------------------------------------------------------------------------------------------

PAYMENTS_AFTER = """
SELECT payment.id AS payment_id, payment.intent_id,
    coalesce(payment.checkout_id, payment.surplus_of) AS checkout_id,
    payment.surplus_of IS NOT NULL AS surplus, payment.state, payment.amount_minor, payment.currency,
    payment.captured_minor, payment.refunded_minor, checkout.state AS checkout_state, checkout.lease_until,
    coalesce(booking.status = 'confirmed', false) AS booked,
    refunds.minor AS refunds_minor, refunds.pending AS refunds_pending,
    refunds.succeeded AS refunds_succeeded, refunds.succeeded_minor AS refunds_succeeded_minor,
    posted.captures AS captures_posted, posted.captures_minor AS captures_posted_minor,
    posted.refunds AS refunds_posted, posted.refunds_minor AS refunds_posted_minor, posted.misposted
FROM payments AS payment
LEFT JOIN checkouts AS checkout ON checkout.id = coalesce(payment.checkout_id, payment.surplus_of)
LEFT JOIN bookings AS booking ON booking.checkout_id = payment.checkout_id
CROSS JOIN LATERAL (
    SELECT coalesce(sum(amount_minor), 0)::bigint AS minor,
        count(*) FILTER (WHERE state = 'pending') AS pending,
        count(*) FILTER (WHERE state = 'succeeded') AS succeeded,
        coalesce(sum(amount_minor) FILTER (WHERE state = 'succeeded'), 0)::bigint AS succeeded_minor
    FROM refunds WHERE payment_id = payment.id AND state <> 'failed'
) AS refunds
CROSS JOIN LATERAL (
    SELECT count(*) FILTER (WHERE kind = 'capture') AS captures,
        coalesce(sum(minor) FILTER (WHERE kind = 'capture'), 0)::bigint AS captures_minor,
        count(*) FILTER (WHERE kind = 'refund') AS refunds,
        coalesce(sum(minor) FILTER (WHERE kind = 'refund'), 0)::bigint AS refunds_minor,
        count(*) FILTER (WHERE entries <> 2 OR own_entries <> 2 OR balance <> 0) AS misposted
    FROM (
        SELECT posting.kind, entry.minor, entry.entries, entry.own_entries, entry.balance
        FROM ledger_transactions AS posting
        CROSS JOIN LATERAL (
            SELECT sum(amount_minor) FILTER (WHERE amount_minor > 0) AS minor, count(*) AS entries,
                count(*) FILTER (WHERE currency = payment.currency) AS own_entries,
                coalesce(sum(amount_minor), 0) AS balance
            FROM ledger_entries WHERE transaction_id = posting.id
        ) AS entry
        WHERE posting.payment_id = payment.id AND posting.kind <> 'reversal'
          AND NOT EXISTS (SELECT 1 FROM ledger_transactions WHERE reverses = posting.id)
    ) AS standing
) AS posted
WHERE payment.intent_id > :after
ORDER BY payment.intent_id
LIMIT :limit
"""
# Bookings made through checkout for which no payment is on record.
BOOKINGS_AFTER = """
SELECT page.id, page.checkout_id,
    page.checkout_id IS NOT NULL AND page.status = 'confirmed'
    AND NOT EXISTS (
        SELECT 1 FROM payments WHERE checkout_id = page.checkout_id AND intent_id IS NOT NULL
    )
    AND EXISTS (SELECT 1 FROM checkouts WHERE id = page.checkout_id AND amount_minor > 0) AS unpaid
FROM (SELECT id, checkout_id, status FROM bookings WHERE id > :after ORDER BY id LIMIT :limit) AS page
ORDER BY page.id
"""
# Live holds that will be neither used nor released: their checkout has ended or does not exist.
ORPHAN_HOLDS = """
SELECT hold.id, hold.checkout_id FROM holds AS hold
LEFT JOIN checkouts AS checkout ON checkout.id = hold.checkout_id
WHERE hold.released_at IS NULL AND hold.id > :after
  AND (checkout.id IS NULL OR checkout.state IN ('booked', 'declined', 'failed', 'expired'))
ORDER BY hold.id
LIMIT :limit
"""
RELEASE_STRAY_HOLD = """
UPDATE holds SET released_at = :now WHERE id = :hold_id AND checkout_id IS NULL AND released_at IS NULL
"""

# -- one checkout -----------------------------------------------------------------------------------

CHECKOUT = """
SELECT checkout.id, checkout.state, checkout.amount_minor, checkout.currency, checkout.lease_until,
    EXISTS (SELECT 1 FROM holds WHERE checkout_id = checkout.id AND released_at IS NULL) AS hold_live,
    booking.id AS booking_id, booking.status AS booking_status
FROM checkouts AS checkout LEFT JOIN bookings AS booking ON booking.checkout_id = checkout.id
WHERE checkout.id = :checkout_id
"""
PAYMENTS_OF_CHECKOUT = """
SELECT id, intent_id, surplus_of IS NOT NULL AS surplus, state, amount_minor, currency, captured_minor,
    refunded_minor
FROM payments WHERE checkout_id = :checkout_id OR surplus_of = :checkout_id
ORDER BY id
"""
# Payments with a refund that failed at the provider; a refund that was not needed has no id there.
UNREFUNDABLE = """
SELECT DISTINCT payment_id FROM refunds
WHERE payment_id = ANY(CAST(:payment_ids AS uuid[])) AND state = 'failed' AND provider_refund_id IS NOT NULL
"""


async def begin_or_resume(uow: UnitOfWork, *, since: datetime, now: datetime) -> UUID:
    """Return the interrupted run if it was begun after `since`, else a new one."""
    interrupted = await uow.first(INTERRUPTED_RUN, since=since)
    if interrupted is not None:
        run_id: UUID = interrupted.id
        return run_id
    run_id = uuid4()
    await uow.execute(BEGIN_RUN, run_id=run_id, now=now)
    return run_id


async def note_progress(uow: UnitOfWork, *, run_id: UUID, examined: int, cursor: str) -> None:
    await uow.execute(NOTE_PROGRESS, run_id=run_id, examined=examined, cursor=cursor)


async def finish_run(uow: UnitOfWork, *, run_id: UUID, examined: int, now: datetime) -> None:
    await uow.execute(FINISH_RUN, run_id=run_id, examined=examined, now=now)


async def add_finding(
    uow: UnitOfWork, *, run_id: UUID, kind: str, subject: str, action: str, detail: Mapping[str, Any]
) -> None:
    """Add a finding, once per run, kind and subject."""
    await uow.execute(
        ADD_FINDING,
        run_id=run_id,
        kind=kind,
        subject=subject,
        action=action,
        detail=json.dumps(detail, default=str),
    )


async def found_before(uow: UnitOfWork, *, run_id: UUID, subject: str) -> bool:
    """Whether the run has a finding about the subject."""
    return await uow.first(FOUND_BEFORE, run_id=run_id, subject=subject) is not None


async def findings(database: Database, run_id: UUID) -> Sequence[Row[Any]]:
    """Return the findings of a run, in order; `detail` is JSON text."""
    return await database.all(FINDINGS, run_id=run_id)


async def read_run(database: Database, run_id: UUID) -> Row[Any] | None:
    return await database.first(READ_RUN, run_id=run_id)


async def runs(database: Database, *, limit: int) -> Sequence[Row[Any]]:
    """Return the latest runs, latest first."""
    return await database.all(RUNS, limit=limit)


async def payments_after(database: Database, after: str, *, limit: int) -> list[Summary]:
    """Return a page of payments in byte order of intent ids, which is the provider's order."""
    rows = await database.all(PAYMENTS_AFTER, after=after, limit=limit)
    return [Summary(*tuple(row)) for row in rows]


async def bookings_after(database: Database, after: UUID, *, limit: int) -> Sequence[Row[Any]]:
    """Return a page of all bookings: `id`, `checkout_id`, and whether they are `unpaid`."""
    return await database.all(BOOKINGS_AFTER, after=after, limit=limit)


async def orphan_holds(database: Database, after: UUID, *, limit: int) -> Sequence[Row[Any]]:
    """Return a page of live holds that will never be released: `id`, `checkout_id`."""
    return await database.all(ORPHAN_HOLDS, after=after, limit=limit)


async def release_stray_hold(uow: UnitOfWork, *, hold_id: UUID, now: datetime) -> bool:
    """Release a hold that belongs to no checkout; returns False if it was released before."""
    return await uow.execute(RELEASE_STRAY_HOLD, hold_id=hold_id, now=now) == 1


async def checkout(source: UnitOfWork | Database, checkout_id: UUID) -> Row[Any] | None:
    return await source.first(CHECKOUT, checkout_id=checkout_id)


async def payments_of_checkout(source: UnitOfWork | Database, checkout_id: UUID) -> Sequence[Row[Any]]:
    return await source.all(PAYMENTS_OF_CHECKOUT, checkout_id=checkout_id)


async def unrefundable(source: UnitOfWork | Database, payment_ids: Sequence[UUID]) -> frozenset[UUID]:
    """Return the payments that have a refund which failed at the provider."""
    if not payment_ids:
        return frozenset()
    rows = await source.all(UNREFUNDABLE, payment_ids=list(payment_ids))
    return frozenset(row.payment_id for row in rows)
