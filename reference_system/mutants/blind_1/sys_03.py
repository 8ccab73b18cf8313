"""SYS-03, concurrent bookings: places are oversold or lost, or a loser is not told so."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row

from reference_system.booking.audit import store as audit
from reference_system.booking.checkout import saga
from reference_system.booking.checkout.saga import Attempt
from reference_system.booking.holds import service as holds
from reference_system.booking.payments.intents import Intent
from reference_system.booking.platform import problems
from reference_system.booking.platform.db import UnitOfWork
from reference_system.booking.platform.idempotency import Answer
from reference_system.booking.platform.problems import NOT_FOUND, Problem
from reference_system.booking.platform.runtime import Runtime
from reference_system.booking.venues import places
from reference_system.booking.venues import service as venues
from reference_system.booking.venues import store as slots
from reference_system.mutants.mutant import Mutant

recounted = Mutant(
    "SYS-03.21",
    "Two customers who cancel at once free one place, and a booking made meanwhile is not counted.",
    schema=(
        """
        CREATE OR REPLACE FUNCTION public.move_place(leaves uuid, enters uuid) RETURNS void
        LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
        BEGIN
            IF leaves IS NOT DISTINCT FROM enters THEN
                RETURN;
            END IF;
            -- Count again whenever a place is left, so that `taken` cannot drift.
            UPDATE public.slots SET version = version + 1, taken =
                (SELECT count(*) FROM public.bookings WHERE slot_id = leaves AND status = 'confirmed')
                + (SELECT count(*) FROM public.holds WHERE slot_id = leaves AND released_at IS NULL)
            WHERE id = leaves;
            UPDATE public.slots SET taken = taken + 1, version = version + 1 WHERE id = enters;
        END $$
        """,
    ),
)


not_there = Mutant(
    "SYS-03.22", "A customer who loses the race to move to a slot is told that it does not exist."
)
LOCK_WITH_PLACE = """
SELECT id, starts_at, capacity, taken, version FROM slots
WHERE id = :leaves OR (id = :enters AND taken < capacity)
ORDER BY id
FOR NO KEY UPDATE
"""


@not_there.replace(slots.lock_slots)
async def lock_slots_with_place(uow: UnitOfWork, slot_ids: Sequence[UUID]) -> dict[UUID, Row[Any]]:
    leaves, enters = slot_ids
    wanted = await slots.read_slot(uow, enters)
    if wanted is not None and not places.has_place(wanted):
        raise Problem(places.SOLD_OUT)
    rows = await uow.all(LOCK_WITH_PLACE, leaves=leaves, enters=enters)
    return {row.id: row for row in rows}


skipped = Mutant(
    "SYS-03.24",
    "A customer is told that a slot with free places is sold out, because somebody else is in it.",
)


@skipped.replace(places.claim)
async def claim_without_waiting(uow: UnitOfWork, slot_id: UUID) -> Row[Any]:
    slot = await uow.first(f"{slots.LOCK_SLOT} SKIP LOCKED", slot_id=slot_id)
    if slot is None and await slots.read_slot(uow, slot_id) is None:
        raise Problem(NOT_FOUND, "There is no such slot.")
    if slot is None or not places.has_place(slot):
        raise Problem(places.SOLD_OUT)
    return slot


two_locks = Mutant(
    "SYS-03.25",
    "A slot is oversold when one customer books it while another moves into it or its capacity is cut.",
    schema=(
        "ALTER TABLE slots DROP CONSTRAINT slots_taken_within_capacity",
        "ALTER TABLE slots ADD CONSTRAINT slots_taken_not_negative CHECK (taken >= 0)",
    ),
)
ONE_AT_A_TIME = "SELECT pg_advisory_xact_lock(hashtextextended(CAST(:slot_id AS text), 0))"
SLOT = "SELECT id, starts_at, capacity, taken, version FROM slots WHERE id = :slot_id"


@two_locks.replace(places.claim)
async def claim_one_at_a_time(uow: UnitOfWork, slot_id: UUID) -> Row[Any]:
    await uow.execute(ONE_AT_A_TIME, slot_id=str(slot_id))
    slot = await uow.first(SLOT, slot_id=slot_id)
    if slot is None:
        raise Problem(NOT_FOUND, "There is no such slot.")
    if not places.has_place(slot):
        raise Problem(places.SOLD_OUT)
    return slot


let_go_early = Mutant(
    "SYS-03.26", "A customer who has paid for a held place loses it to somebody who books at that moment."
)


@let_go_early.wrap(saga.finish)
async def release_then_finish(
    finish: Callable[[Runtime, Attempt, Intent], Awaitable[Answer]],
    runtime: Runtime,
    attempt: Attempt,
    intent: Intent,
) -> Answer:
    now = await runtime.clock.now()

    async def work(uow: UnitOfWork) -> None:
        await holds.release(uow, checkout_id=attempt.checkout_id, now=now)

    if intent.is_captured:
        await saga.surely(runtime, work)
    return await finish(runtime, attempt, intent)


by_difference = Mutant(
    "SYS-03.27", "Two operators who change a capacity at once get one that neither of them asked for."
)
CHANGE_CAPACITY = "UPDATE slots SET capacity = capacity + :more, version = version + 1 WHERE id = :slot_id"


@by_difference.replace(venues.resize)
async def resize_by_difference(
    uow: UnitOfWork, *, slot_id: UUID, capacity: int, actor: UUID, now: datetime
) -> None:
    slot = await slots.read_slot(uow, slot_id)
    if slot is None:
        raise Problem(NOT_FOUND, "There is no such slot.")
    if capacity < slot.taken:
        raise Problem(venues.CAPACITY_BELOW_TAKEN, taken=slot.taken)
    await uow.execute(CHANGE_CAPACITY, slot_id=slot_id, more=capacity - slot.capacity)
    await audit.record(
        uow,
        at=now,
        actor=actor,
        action="resized",
        entity="slot",
        entity_id=slot_id,
        before=slot.capacity,
        after=capacity,
    )


turned_away = Mutant(
    "SYS-03.28", "Customers who rush for a slot get an error, not the answer that it is sold out."
)
MOST_WAITING = 8
waiting: Counter[UUID] = Counter()


@turned_away.wrap(places.claim)
async def claim_unless_crowded(
    claim: Callable[[UnitOfWork, UUID], Awaitable[Row[Any]]], uow: UnitOfWork, slot_id: UUID
) -> Row[Any]:
    if waiting[slot_id] >= MOST_WAITING:
        raise Problem(problems.UNAVAILABLE, "Too many ask for this slot.", headers={"Retry-After": "1"})
    waiting[slot_id] += 1
    try:
        return await claim(uow, slot_id)
    finally:
        waiting[slot_id] -= 1
