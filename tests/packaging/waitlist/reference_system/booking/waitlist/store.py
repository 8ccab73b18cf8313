"""Entries of the waitlist in the database."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID, uuid4

from reference_system.booking.platform.db import UnitOfWork

JOIN = """
INSERT INTO waitlist_entries (id, slot_id, customer_id, created_at)
VALUES (:id, :slot_id, :customer_id, :now) ON CONFLICT (slot_id, customer_id) DO NOTHING
"""


async def join(uow: UnitOfWork, *, slot_id: UUID, customer_id: UUID, now: datetime) -> bool:
    """Add an entry; False where the customer waits already."""
    return await uow.execute(JOIN, id=uuid4(), slot_id=slot_id, customer_id=customer_id, now=now) == 1
