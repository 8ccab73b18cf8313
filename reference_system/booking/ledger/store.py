"""Ledger transactions and their entries in the database; entries are never changed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row

from reference_system.booking.platform.db import Database, UnitOfWork

# Writes a transaction and its pair of entries: `amount_minor` is moved from one account to the other. A
# reference that exists already is not written again.
POST_PAIR = """
WITH posted AS (
    INSERT INTO ledger_transactions (id, kind, reference, payment_id, created_at)
    VALUES (:id, :kind, :reference, :payment_id, :now)
    ON CONFLICT (kind, reference) DO NOTHING
    RETURNING id
)
INSERT INTO ledger_entries (transaction_id, account, amount_minor, currency)
SELECT posted.id, pair.account, pair.amount_minor, :currency
FROM posted, (VALUES
    (CAST(:debit AS text), CAST(:amount_minor AS bigint)),
    (CAST(:credit AS text), -CAST(:amount_minor AS bigint))
) AS pair (account, amount_minor)
"""
# Writes the same entries with opposite signs; a transaction is reversed at most once.
REVERSE = """
WITH reversal AS (
    INSERT INTO ledger_transactions (id, kind, reference, payment_id, reverses, created_at)
    SELECT :id, 'reversal', CAST(surplus.id AS text), surplus.payment_id, surplus.id, :now
    FROM ledger_transactions AS surplus WHERE surplus.id = :transaction_id
    ON CONFLICT (kind, reference) DO NOTHING
    RETURNING id, reverses
)
INSERT INTO ledger_entries (transaction_id, account, amount_minor, currency)
SELECT reversal.id, entry.account, -entry.amount_minor, entry.currency
FROM reversal JOIN ledger_entries AS entry ON entry.transaction_id = reversal.reverses
ORDER BY entry.id
"""
# Adds the entries that a pair lacks: the opposite of the one that it has, or both.
COMPLETE_PAIR = """
INSERT INTO ledger_entries (transaction_id, account, amount_minor, currency)
SELECT posted.id, pair.account, pair.amount_minor, :currency
FROM ledger_transactions AS posted, (VALUES
    (CAST(:debit AS text), CAST(:amount_minor AS bigint)),
    (CAST(:credit AS text), -CAST(:amount_minor AS bigint))
) AS pair (account, amount_minor)
WHERE posted.id = :transaction_id AND NOT EXISTS (
    SELECT 1 FROM ledger_entries AS entry
    WHERE entry.transaction_id = posted.id AND entry.account = pair.account
)
"""
# Captures and refunds that were not reversed, oldest first.
STANDING = """
SELECT posted.id, posted.kind, posted.reference, posted.payment_id, posted.created_at,
    side.amount_minor, side.entries, side.balance_minor, side.currency
FROM ledger_transactions AS posted
CROSS JOIN LATERAL (
    SELECT greatest(
            coalesce(sum(amount_minor) FILTER (WHERE amount_minor > 0), 0),
            coalesce(-sum(amount_minor) FILTER (WHERE amount_minor < 0), 0)
        )::bigint AS amount_minor,
        count(*) AS entries, coalesce(sum(amount_minor), 0)::bigint AS balance_minor,
        CASE WHEN min(currency) = max(currency) THEN min(currency) WHEN count(*) > 0 THEN '' END AS currency
    FROM ledger_entries WHERE transaction_id = posted.id
) AS side
WHERE posted.payment_id = ANY(CAST(:payment_ids AS uuid[])) AND posted.kind <> 'reversal'
  AND NOT EXISTS (SELECT 1 FROM ledger_transactions AS reversal WHERE reversal.reverses = posted.id)
ORDER BY posted.created_at, posted.id
"""
PAGE = """
SELECT posted.id, posted.kind, posted.reference, posted.payment_id, posted.reverses, posted.created_at,
    coalesce(payment.checkout_id, payment.surplus_of) AS checkout_id, payment.intent_id,
    (SELECT json_agg(json_build_object(
        'account', entry.account, 'amount_minor', entry.amount_minor, 'currency', entry.currency
     ) ORDER BY entry.id)::text FROM ledger_entries AS entry
     WHERE entry.transaction_id = posted.id) AS entries
FROM ledger_transactions AS posted
LEFT JOIN payments AS payment ON payment.id = posted.payment_id
WHERE (CAST(:checkout_id AS uuid) IS NULL
       OR payment.checkout_id = :checkout_id OR payment.surplus_of = :checkout_id)
  AND (CAST(:after AS uuid) IS NULL OR (posted.created_at, posted.id)
       > (SELECT created_at, id FROM ledger_transactions WHERE id = :after))
ORDER BY posted.created_at, posted.id
LIMIT :limit
"""


async def post_pair(
    uow: UnitOfWork,
    *,
    transaction_id: UUID,
    kind: str,
    reference: str,
    payment_id: UUID,
    debit: str,
    credit: str,
    amount_minor: int,
    currency: str,
    now: datetime,
) -> bool:
    """Write a pair; returns False if the reference existed already."""
    return (
        await uow.execute(
            POST_PAIR,
            id=transaction_id,
            kind=kind,
            reference=reference,
            payment_id=payment_id,
            debit=debit,
            credit=credit,
            amount_minor=amount_minor,
            currency=currency,
            now=now,
        )
        > 0
    )


async def reverse(uow: UnitOfWork, *, reversal_id: UUID, transaction_id: UUID, now: datetime) -> bool:
    """Reverse a transaction; returns False if it was reversed before."""
    return await uow.execute(REVERSE, id=reversal_id, transaction_id=transaction_id, now=now) > 0


async def complete_pair(
    uow: UnitOfWork, *, transaction_id: UUID, debit: str, credit: str, amount_minor: int, currency: str
) -> bool:
    """Add the entries that a pair lacks; returns False if it lacks none."""
    return (
        await uow.execute(
            COMPLETE_PAIR,
            transaction_id=transaction_id,
            debit=debit,
            credit=credit,
            amount_minor=amount_minor,
            currency=currency,
        )
        > 0
    )


async def standing(source: UnitOfWork | Database, payment_ids: Sequence[UUID]) -> Sequence[Row[Any]]:
    """Return captures and refunds of some payments that were not reversed, with their amounts."""
    return await source.all(STANDING, payment_ids=list(payment_ids)) if payment_ids else []


async def page(
    database: Database, *, checkout_id: UUID | None, after: UUID | None, limit: int
) -> Sequence[Row[Any]]:
    """Return transactions after `after`, oldest first; `entries` is JSON text."""
    return await database.all(PAGE, checkout_id=checkout_id, after=after, limit=limit)
