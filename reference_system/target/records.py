"""Durable state: what the service's database holds, and the provider's journal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import asyncpg

from overbooked.targets.adapter import (
    BookingRow,
    ChargeRow,
    DeadLetter,
    DurableState,
    HoldRow,
    LedgerTransaction,
    PaymentRow,
)
from reference_system.target.wiring import Wiring

# Each takes the wanted slots and checkouts; NULL for both means everything.
CHECKOUTS = """
SELECT id FROM checkouts WHERE slot_id = ANY($1::uuid[]) OR id = ANY($2::uuid[])
"""
BOOKINGS = """
SELECT id, slot_id, customer_id, status, checkout_id FROM bookings
WHERE ($1::uuid[] IS NULL AND $2::uuid[] IS NULL) OR slot_id = ANY($1) OR checkout_id = ANY($2)
ORDER BY created_at, id
"""
HOLDS = """
SELECT id, slot_id, checkout_id, released_at IS NULL AS live FROM holds
WHERE ($1::uuid[] IS NULL AND $2::uuid[] IS NULL) OR slot_id = ANY($1) OR checkout_id = ANY($2)
ORDER BY id
"""
PAYMENTS = """
SELECT id, intent_id, coalesce(checkout_id, surplus_of) AS checkout_id, state, currency, captured_minor,
    refunded_minor
FROM payments
WHERE $1::uuid[] IS NULL OR checkout_id = ANY($1) OR surplus_of = ANY($1)
ORDER BY id
"""
LEDGER = """
SELECT t.id, t.kind, coalesce(p.checkout_id, p.surplus_of) AS checkout_id, p.intent_id, t.reverses,
    r.id AS reversed_by,
    array(SELECT e.account FROM ledger_entries AS e WHERE e.transaction_id = t.id ORDER BY e.id) AS accounts,
    array(SELECT e.amount_minor FROM ledger_entries AS e WHERE e.transaction_id = t.id ORDER BY e.id)
        AS amounts
FROM ledger_transactions AS t
LEFT JOIN payments AS p ON p.id = t.payment_id
LEFT JOIN ledger_transactions AS r ON r.reverses = t.id
WHERE $1::uuid[] IS NULL OR p.checkout_id = ANY($1) OR p.surplus_of = ANY($1)
ORDER BY t.created_at, t.id
"""
DEAD_LETTERS = """
SELECT id, source, subject, reason FROM dead_letters WHERE resolved_at IS NULL ORDER BY created_at, id
"""


class Records(Wiring):
    """The verbs of Capability.DURABLE_STATE."""

    async def state(
        self, *, slots: Sequence[str] | None = None, checkouts: Sequence[str] | None = None
    ) -> DurableState:
        """What database and journal hold now, of some slots or checkouts where asked.

        Slots bring their checkouts along. Dead letters are never restricted. The database is read in
        one snapshot, the provider's journal after it.
        """
        restricted = slots is not None or checkouts is not None
        wanted_slots = _uuids(slots) if restricted else None
        wanted_checkouts = _uuids(checkouts) if restricted else None
        async with self._observer.transaction(readonly=True) as database:
            if restricted:
                found = await database.fetch(CHECKOUTS, wanted_slots, wanted_checkouts)
                # A checkout that only the provider knows is asked of the provider all the same.
                wanted_checkouts = sorted({*(wanted_checkouts or ()), *(row["id"] for row in found)})
            bookings = await database.fetch(BOOKINGS, wanted_slots, wanted_checkouts)
            holds = await database.fetch(HOLDS, wanted_slots, wanted_checkouts)
            payments = await database.fetch(PAYMENTS, wanted_checkouts)
            ledger = await database.fetch(LEDGER, wanted_checkouts)
            letters = await database.fetch(DEAD_LETTERS)
        journal = await self._journal(wanted_checkouts)
        return DurableState(
            bookings=tuple(_booking(row) for row in bookings),
            holds=tuple(_hold(row) for row in holds),
            charges=tuple(_charge(row) for row in journal["charges"]),
            payments=tuple(_payment(row) for row in payments),
            ledger=tuple(_ledger(row) for row in ledger),
            dead_letters=tuple(_letter(row) for row in letters),
        )

    async def _journal(self, checkouts: Sequence[UUID] | None) -> Any:
        if checkouts is None:
            return await self._provider.call("GET", "/_control/journal")
        asked = {"checkout_ids": [str(checkout) for checkout in checkouts]}
        return await self._provider.call("POST", "/_control/journal", asked)


def _uuids(ids: Sequence[str] | None) -> list[UUID]:
    return [UUID(one) for one in ids or ()]


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _booking(row: asyncpg.Record) -> BookingRow:
    return BookingRow(
        id=str(row["id"]),
        slot=str(row["slot_id"]),
        customer=str(row["customer_id"]),
        status=row["status"],
        checkout=_text(row["checkout_id"]),
    )


def _hold(row: asyncpg.Record) -> HoldRow:
    return HoldRow(
        id=str(row["id"]), slot=str(row["slot_id"]), checkout=_text(row["checkout_id"]), live=row["live"]
    )


def _charge(row: Any) -> ChargeRow:
    return ChargeRow(
        id=row["id"],
        checkout=row["checkout_id"],
        currency=row["currency"],
        captured_minor=row["captured_minor"],
        refunded_minor=row["refunded_minor"],
        refund_pending_minor=row["refund_pending_minor"],
        captures=row["captures"],
    )


def _payment(row: asyncpg.Record) -> PaymentRow:
    return PaymentRow(
        id=str(row["id"]),
        charge=row["intent_id"],
        checkout=_text(row["checkout_id"]),
        state=row["state"],
        currency=row["currency"],
        captured_minor=row["captured_minor"],
        refunded_minor=row["refunded_minor"],
    )


def _ledger(row: asyncpg.Record) -> LedgerTransaction:
    return LedgerTransaction(
        id=str(row["id"]),
        kind=row["kind"],
        checkout=_text(row["checkout_id"]),
        charge=row["intent_id"],
        entries=tuple(zip(row["accounts"], row["amounts"], strict=True)),
        reverses=_text(row["reverses"]),
        reversed_by=_text(row["reversed_by"]),
    )


def _letter(row: asyncpg.Record) -> DeadLetter:
    return DeadLetter(id=str(row["id"]), source=row["source"], subject=row["subject"], reason=row["reason"])
