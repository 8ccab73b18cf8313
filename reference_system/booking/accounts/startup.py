"""Adds the operator's account when the service starts."""

from __future__ import annotations

import asyncio
from uuid import uuid4

import structlog

from reference_system.booking.accounts import passwords, store
from reference_system.booking.audit import store as audit
from reference_system.booking.platform.db import UnitOfWork
from reference_system.booking.platform.db_errors import DatabaseFailed
from reference_system.booking.platform.runtime import Runtime

RETRY_OPERATOR_S = 0.5

_log = structlog.get_logger(__name__)


async def start(runtime: Runtime) -> None:
    """Add the operator from the settings unless the account exists, then mark the runtime as ready.

    Retries after every error; until then the service runs and is not ready. Nobody restarts a process that
    runs, so an error that is not foreseen must not end this either.
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
        except Exception:
            _log.exception("operator-not-added-yet")
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
