"""Accounts: registering, and the first operator."""

from __future__ import annotations

import asyncio
from datetime import datetime
from uuid import UUID, uuid4

import structlog

from reference_system.booking import failures
from reference_system.booking.accounts import passwords, store
from reference_system.booking.audit import store as audit
from reference_system.booking.db import UnitOfWork
from reference_system.booking.db_errors import DatabaseFailed
from reference_system.booking.problems import Kind
from reference_system.booking.runtime import Runtime

EMAIL_TAKEN = Kind("email-taken", 409, "There is an account with this e-mail address")
failures.refuse("customers_email_once", EMAIL_TAKEN)

RETRY_OPERATOR_S = 0.5

_log = structlog.get_logger(__name__)


async def register(uow: UnitOfWork, *, email: str, name: str, password_hash: str, now: datetime) -> UUID:
    """Open an account; a taken address is a Problem (409)."""
    customer_id = uuid4()
    await store.add_customer(
        uow, customer_id=customer_id, email=email, name=name, password_hash=password_hash, now=now
    )
    await audit.record(
        uow, at=now, actor=customer_id, action="registered", entity="customer", entity_id=customer_id
    )
    return customer_id


async def ensure_operator(runtime: Runtime) -> None:
    """Add the operator that the settings name, unless he is there; then the runtime is ready.

    Tries until the database answers: the service starts without it and is not ready before.
    """
    settings = runtime.settings
    if not settings.operator_email:
        runtime.is_ready()
        return
    password_hash = await passwords.hashed(settings.operator_password, cost=settings.argon2_cost)
    while not runtime.ready:
        try:
            await _add_operator(runtime, password_hash)
            runtime.is_ready()
        except DatabaseFailed as error:
            _log.warning("operator-not-added-yet", error=str(error))
            await asyncio.sleep(RETRY_OPERATOR_S)


async def _add_operator(runtime: Runtime, password_hash: str) -> None:
    now = await runtime.clock.now()
    email = runtime.settings.operator_email.lower()

    async def add(uow: UnitOfWork) -> None:
        operator_id = uuid4()
        if await store.add_operator(
            uow, operator_id=operator_id, email=email, password_hash=password_hash, now=now
        ):
            await audit.record(
                uow,
                at=now,
                actor=audit.SYSTEM,
                action="operator-added",
                entity="customer",
                entity_id=operator_id,
            )

    await runtime.database.run(add)
