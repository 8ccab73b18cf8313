"""Accounts: registering, and the first operator."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID, uuid4

from reference_system.booking.accounts import store
from reference_system.booking.audit import store as audit
from reference_system.booking.platform import error_handlers
from reference_system.booking.platform.db import UnitOfWork
from reference_system.booking.platform.problems import Kind

EMAIL_TAKEN = Kind("email-taken", 409, "There is an account with this e-mail address")
error_handlers.refuse("customers_email_once", EMAIL_TAKEN)


async def register(uow: UnitOfWork, *, email: str, name: str, password_hash: str, now: datetime) -> UUID:
    """Create an account; raises Problem (409) if the address is taken."""
    customer_id = uuid4()
    await store.add_customer(
        uow, customer_id=customer_id, email=email, name=name, password_hash=password_hash, now=now
    )
    await audit.record(
        uow, at=now, actor=customer_id, action="registered", entity="customer", entity_id=customer_id
    )
    return customer_id
