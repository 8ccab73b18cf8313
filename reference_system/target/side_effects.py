"""Queries for announcements, refunds and the states of checkouts."""

from __future__ import annotations

from collections.abc import Sequence

import asyncpg

from overbooked.capabilities.side_effects import (
    ANNOUNCEMENTS,
    CHECKOUT_STATES,
    REFUND_RECORDS,
    SIDE_EFFECTS,
    AnnouncementRow,
    CheckoutStateRow,
    RefundRow,
)
from reference_system.target.connections import Connections
from reference_system.target.parts import RecordQuery, offers, text_of

UNDER_WAY = ("open", "paying", "processing")

ANNOUNCEMENT_ROWS = """
SELECT id, topic, payload ->> 'booking_id' AS subject, payload ->> 'checkout_id' AS checkout_id FROM outbox
WHERE ($1::uuid[] IS NULL AND $2::uuid[] IS NULL) OR (payload ->> 'checkout_id')::uuid = ANY($2)
ORDER BY id
"""
REFUND_ROWS = """
SELECT refund.id, coalesce(payment.checkout_id, payment.surplus_of) AS checkout_id, payment.intent_id,
    refund.amount_minor, refund.state
FROM refunds AS refund JOIN payments AS payment ON payment.id = refund.payment_id
WHERE ($1::uuid[] IS NULL AND $2::uuid[] IS NULL)
    OR payment.checkout_id = ANY($2) OR payment.surplus_of = ANY($2)
ORDER BY refund.created_at, refund.id
"""
CHECKOUT_ROWS = """
SELECT id, slot_id, state FROM checkouts
WHERE ($1::uuid[] IS NULL AND $2::uuid[] IS NULL) OR slot_id = ANY($1) OR id = ANY($2)
ORDER BY id
"""


def _announcement(row: asyncpg.Record) -> AnnouncementRow:
    return AnnouncementRow(str(row["id"]), row["topic"], str(row["subject"]), text_of(row["checkout_id"]))


def _refund(row: asyncpg.Record) -> RefundRow:
    return RefundRow(
        id=str(row["id"]),
        checkout=text_of(row["checkout_id"]),
        charge=row["intent_id"],
        amount_minor=row["amount_minor"],
        state=row["state"],
    )


def _checkout(row: asyncpg.Record) -> CheckoutStateRow:
    return CheckoutStateRow(
        id=str(row["id"]),
        checkout=str(row["id"]),
        slot=str(row["slot_id"]),
        state=row["state"],
        ended=row["state"] not in UNDER_WAY,
    )


@offers(
    SIDE_EFFECTS,
    records=[
        RecordQuery(ANNOUNCEMENTS, ANNOUNCEMENT_ROWS, _announcement),
        RecordQuery(REFUND_RECORDS, REFUND_ROWS, _refund),
        RecordQuery(CHECKOUT_STATES, CHECKOUT_ROWS, _checkout),
    ],
)
class Announcing:
    """The service announces bookings that a payment confirmed."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    @property
    def topics(self) -> Sequence[str]:
        """The only topic of the outbox."""
        return ("booking.confirmed",)
