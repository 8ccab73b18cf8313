"""Writes the records of sales to both sides, and removes them; a few statements for any number of sales."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg

from reference_system.target import planting_sql as sql
from reference_system.target.sale import CURRENCY, PRICE_MINOR, Sale

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)

Row = tuple[Any, ...]


async def write(database: asyncpg.Connection, sales: Sequence[Sale], *, service: UUID) -> None:
    """Insert the service's records of some sales; no trigger may fire.

    Args:
        service: the service that sells their slots.
    """
    rows: dict[str, list[Row]] = {}
    for sale in sales:
        for statement, row in _rows(sale, service):
            rows.setdefault(statement, []).append(row)
    for statement in sql.WRITTEN:
        if statement in rows:
            await database.executemany(statement, rows[statement])


def _rows(sale: Sale, service: UUID) -> list[tuple[str, Row]]:
    """Return the statements and arguments of one sale."""
    starts_at = sale.now + 60 * DAY
    own_at = sale.at
    rows: list[tuple[str, Row]] = []
    for slot, capacity, taken in (
        (sale.slot, sale.capacity, sale.places_taken),
        (sale.moved_to, 1, 1),
    ):
        if slot is not None:
            rows.append(
                (
                    sql.ADD_SLOT,
                    (
                        slot,
                        service,
                        uuid4().int % 2**61,
                        starts_at,
                        starts_at + HOUR,
                        capacity,
                        taken,
                        sale.price,
                    ),
                )
            )
    checkout = sale.checkout if sale.has_checkout else None
    if checkout is not None:
        lock = uuid4()
        lease = sale.now + timedelta(seconds=sale.lease_s) if sale.lease_s is not None else None
        pay_key = f"key-{checkout}" if sale.state != "open" else None
        rows += [
            (
                sql.ADD_LOCK,
                (lock, sale.customer, sale.slot, sale.price, sale.currency, own_at + HOUR, checkout),
            ),
            (
                sql.ADD_CHECKOUT,
                (
                    checkout,
                    sale.customer,
                    sale.slot,
                    lock,
                    sale.state,
                    sale.price,
                    sale.currency,
                    pay_key,
                    sale.method if pay_key else None,
                    lease,
                    sale.outcome,
                    own_at,
                ),
            ),
        ]
    if checkout is not None or sale.hold == "live":
        released = None if sale.hold == "live" else own_at
        expires = sale.now + timedelta(seconds=sale.hold_s) if released is None else own_at + HOUR
        holder = checkout if sale.hold_is_of_checkout else None
        rows.append((sql.ADD_HOLD, (sale.hold_id, sale.slot, sale.customer, holder, expires, released)))
    if sale.booking:
        cancelled = own_at if sale.booking == "cancelled" else None
        place = sale.moved_to or sale.slot
        rows.append(
            (
                sql.ADD_BOOKING,
                (sale.booking_id, place, sale.customer, checkout, sale.booking, own_at, cancelled),
            )
        )
    if sale.taken_by == "booking":
        rows.append(
            (sql.ADD_BOOKING, (uuid4(), sale.slot, sale.other, None, "confirmed", own_at, None)),
        )
    elif sale.taken_by == "hold":
        rows += _anothers_checkout(sale)
    return rows + _money_rows(sale)


def _anothers_checkout(sale: Sale) -> list[tuple[str, Row]]:
    """Return the rows of another customer's checkout that holds the place."""
    lock, checkout, until = uuid4(), uuid4(), sale.now + HOUR
    return [
        (sql.ADD_LOCK, (lock, sale.other, sale.slot, PRICE_MINOR, CURRENCY, until, checkout)),
        (
            sql.ADD_CHECKOUT,
            (
                checkout,
                sale.other,
                sale.slot,
                lock,
                "open",
                PRICE_MINOR,
                CURRENCY,
                None,
                None,
                None,
                None,
                sale.now,
            ),
        ),
        (sql.ADD_HOLD, (uuid4(), sale.slot, sale.other, checkout, until, None)),
    ]


def _money_rows(sale: Sale) -> list[tuple[str, Row]]:
    own_at = sale.at
    rows: list[tuple[str, Row]] = []
    for payment in sale.payments:
        owner, surplus = (None, sale.checkout) if payment.surplus else (sale.checkout, None)
        rows.append(
            (
                sql.ADD_PAYMENT,
                (
                    payment.id,
                    owner,
                    surplus,
                    payment.charge,
                    payment.state,
                    payment.amount,
                    payment.currency,
                    payment.captured,
                    payment.refunded,
                ),
            )
        )
    for n, refund in enumerate(sale.refunds):
        at = own_at + timedelta(seconds=n)
        row = (refund.id, refund.payment, refund.there, refund.amount, refund.state, refund.reason, at)
        rows.append((sql.ADD_REFUND, row))
    for n, posting in enumerate(sale.postings):
        at = own_at + timedelta(seconds=n)
        rows.append(
            (
                sql.ADD_POSTING,
                (posting.id, posting.kind, posting.reference, posting.payment, posting.reverses, at),
            )
        )
        rows += [(sql.ADD_ENTRY, (posting.id, *entry)) for entry in posting.entries]
    return rows


def there(sales: Sequence[Sale]) -> dict[str, Any]:
    """Return the provider's records of some sales; it remembers the capture of a booking's card payment."""
    return {
        "captured_under": {
            sale.charges[0].id: f"capture:{sale.checkout}"
            for sale in sales
            if sale.charges and sale.booking and sale.method == "card"
        },
        "intents": [
            {
                "id": charge.id,
                "status": charge.status,
                "method": charge.method,
                "amount_minor": charge.amount,
                "currency": charge.currency,
                "captured_minor": charge.captured,
                "refunded_minor": charge.refunded,
                "captures": charge.captures,
                "created": charge.created,
                "authorized_until": charge.until,
                "checkout_id": charge.checkout,
                "metadata": {"checkout_id": charge.checkout} if charge.checkout else {},
            }
            for sale in sales
            for charge in sale.charges
        ],
        "refunds": [
            {
                "id": refund.id,
                "payment_intent": refund.charge,
                "amount_minor": refund.amount,
                "status": refund.status,
                "created": sale.at.timestamp(),
                "metadata": {"refund_id": str(refund.refund)} if refund.refund else {},
            }
            for sale in sales
            for refund in sale.refunds_there
        ],
    }


async def remove(
    database: asyncpg.Connection, slots: Sequence[UUID], subjects: Sequence[str], *, at: object
) -> list[str]:
    """Remove the service's records on some slots and resolve the dead letters about some subjects; no
    trigger may fire. Returns the removed checkouts' ids."""
    found = await database.fetch(sql.CHECKOUTS_ON_SLOTS, list(slots))
    checkouts = [row["id"] for row in found]
    for statement in sql.REMOVED:
        await database.execute(statement, checkouts)
    for statement in sql.FREED:
        await database.execute(statement, list(slots))
    await database.execute(sql.RESOLVE, list(subjects), at)
    return [str(checkout) for checkout in checkouts]
