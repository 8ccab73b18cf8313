"""Queries for the records of checkout: holds, payments and the ledger."""

from __future__ import annotations

import asyncpg

from overbooked.capabilities.checkout import (
    HOLDS,
    LEDGER,
    PAYMENTS,
    HoldRow,
    LedgerTransaction,
    PaymentRow,
)
from reference_system.target.parts import RecordQuery, text_of

HOLD_ROWS = """
SELECT id, slot_id, checkout_id, released_at IS NULL AS live FROM holds
WHERE ($1::uuid[] IS NULL AND $2::uuid[] IS NULL) OR slot_id = ANY($1) OR checkout_id = ANY($2)
ORDER BY id
"""
PAYMENT_ROWS = """
SELECT id, intent_id, coalesce(checkout_id, surplus_of) AS checkout_id, state, currency, captured_minor,
    refunded_minor
FROM payments
WHERE ($1::uuid[] IS NULL AND $2::uuid[] IS NULL) OR checkout_id = ANY($2) OR surplus_of = ANY($2)
ORDER BY id
"""
LEDGER_ROWS = """
SELECT t.id, t.kind, coalesce(p.checkout_id, p.surplus_of) AS checkout_id, p.intent_id, t.reverses,
    r.id AS reversed_by,
    array(SELECT e.account FROM ledger_entries AS e WHERE e.transaction_id = t.id ORDER BY e.id) AS accounts,
    array(SELECT e.amount_minor FROM ledger_entries AS e WHERE e.transaction_id = t.id ORDER BY e.id)
        AS amounts,
    (SELECT CASE WHEN min(e.currency) = max(e.currency) THEN min(e.currency) ELSE '' END
     FROM ledger_entries AS e WHERE e.transaction_id = t.id) AS currency
FROM ledger_transactions AS t
LEFT JOIN payments AS p ON p.id = t.payment_id
LEFT JOIN ledger_transactions AS r ON r.reverses = t.id
WHERE ($1::uuid[] IS NULL AND $2::uuid[] IS NULL) OR p.checkout_id = ANY($2) OR p.surplus_of = ANY($2)
ORDER BY t.created_at, t.id
"""


def _hold(row: asyncpg.Record) -> HoldRow:
    return HoldRow(
        id=str(row["id"]), slot=str(row["slot_id"]), checkout=text_of(row["checkout_id"]), live=row["live"]
    )


def _payment(row: asyncpg.Record) -> PaymentRow:
    return PaymentRow(
        id=str(row["id"]),
        charge=row["intent_id"],
        checkout=text_of(row["checkout_id"]),
        state=row["state"],
        currency=row["currency"],
        captured_minor=row["captured_minor"],
        refunded_minor=row["refunded_minor"],
    )


def _ledger(row: asyncpg.Record) -> LedgerTransaction:
    return LedgerTransaction(
        id=str(row["id"]),
        kind=row["kind"],
        checkout=text_of(row["checkout_id"]),
        charge=row["intent_id"],
        entries=tuple(zip(row["accounts"], row["amounts"], strict=True)),
        reverses=text_of(row["reverses"]),
        reversed_by=text_of(row["reversed_by"]),
        currency=row["currency"],
    )


CHECKOUT_RECORDS = (
    RecordQuery(HOLDS, HOLD_ROWS, _hold),
    RecordQuery(PAYMENTS, PAYMENT_ROWS, _payment),
    RecordQuery(LEDGER, LEDGER_ROWS, _ledger),
)
