"""SYS-R5, reconciliation: a difference is passed over, or left with something changed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row

from reference_system.booking.holds import service as holds
from reference_system.booking.payments import client
from reference_system.booking.payments.intents import Intent
from reference_system.booking.platform.db import Database, UnitOfWork
from reference_system.booking.platform.runtime import Runtime
from reference_system.booking.reconciliation import comparison, diagnosis, records, repairs, service, store
from reference_system.booking.reconciliation.diagnosis import Action, Difference
from reference_system.booking.reconciliation.facts import Here, PaymentHere, Summary, There
from reference_system.mutants.mutant import Mutant

recent_bookings = Mutant(
    "SYS-R5.21",
    "A booking without any payment on record is never found once it is older than a quarter.",
)
LOOK_BACK = timedelta(days=90)
RECENT_BOOKINGS = store.BOOKINGS_AFTER.replace(
    "WHERE id > :after", "WHERE id > :after AND created_at > :since"
)


@recent_bookings.replace(service.look_for_unpaid_bookings)
async def look_for_unpaid_bookings(runtime: Runtime, run_id: UUID) -> None:
    since = await runtime.clock.now() - LOOK_BACK
    after, more = UUID(int=0), True
    while more:
        page = await runtime.database.all(RECENT_BOOKINGS, after=after, since=since, limit=service.PAGE)
        for booking in page:
            after = booking.id
            if booking.unpaid:
                await service.examine(runtime, run_id, booking.checkout_id)
        more = len(page) == service.PAGE


ended_here = Mutant(
    "SYS-R5.22",
    "A payment that counts as failed here and was captured at the provider is never found.",
)
ENDED = frozenset({"failed", "voided"})


@ended_here.wrap(comparison.agree)
def agree_unless_open(
    agree: Callable[[Intent | None, Summary | None, datetime], bool],
    intent: Intent | None,
    payment: Summary | None,
    now: datetime,
) -> bool:
    if payment is not None and payment.state in ENDED:
        return True
    return agree(intent, payment, now)


rounding = Mutant(
    "SYS-R5.23",
    "A charge that differs by one cent from the recorded amount counts as rounding and is not reported.",
)
TOLERANCE_MINOR = 1


@rounding.replace(comparison.same_amounts)
def same_amounts(intent: Intent, payment: Summary) -> bool:
    return (
        intent.currency == payment.currency
        and abs(intent.amount_minor - payment.amount_minor) <= TOLERANCE_MINOR
        and abs(intent.captured_minor - payment.captured_minor) <= TOLERANCE_MINOR
    )


paid_back = Mutant(
    "SYS-R5.24",
    "A refund that counts as succeeded here and does not exist at the provider is never sent.",
)


@paid_back.wrap(diagnosis.refunds)
def refunds_to_move(
    all_refunds: Callable[[There, Here], Iterable[Difference]], there: There, here: Here
) -> Iterable[Difference]:
    return [
        one
        for one in all_refunds(there, here)
        if one.action is not Action.SEND_REFUND
        or (one.refund is not None and one.refund.state != "succeeded")
    ]


place_freed = Mutant(
    "SYS-R5.25",
    "A customer whose payment a person must examine loses the held place meanwhile.",
)


@place_freed.wrap(repairs.repair)
async def repair_or_free_place(
    repair: Callable[..., Awaitable[Difference | None]],
    uow: UnitOfWork,
    checkout: Row[Any],
    difference: Difference,
    *,
    now: datetime,
) -> Difference | None:
    if difference.action is Action.DEAD_LETTER:
        # Nobody else could book the place until the person has decided.
        await holds.release(uow, checkout_id=checkout.id, now=now)
    return await repair(uow, checkout, difference, now=now)


gone_back = Mutant(
    "SYS-R5.26",
    "While a refund is on its way, each run reports its payment as one without a booking and repairs it.",
)


@gone_back.replace(diagnosis.is_going_back)
def has_gone_back(payment: PaymentHere, here: Here) -> bool:
    succeeded = (refund for refund in here.refunds_of(payment) if refund.state == "succeeded")
    return sum(refund.amount_minor for refund in succeeded) >= payment.captured_minor


@gone_back.replace(comparison.fits_booking)
def fits_booking(intent: Intent, payment: Summary) -> bool:
    if payment.surplus or payment.checkout_id is None:
        return True
    if payment.checkout_state == "processing" and intent.status in ("declined", "canceled"):
        return False
    if payment.booked:
        return payment.captured_minor > 0
    return payment.captured_minor == payment.refunded_minor


noted_first = Mutant(
    "SYS-R5.27",
    "A difference whose repair a crash interrupted is never repaired: the next run continues behind it.",
)
REACHED = "SELECT cursor FROM reconciliation_runs WHERE id = :run_id"


@noted_first.replace(service.compare_payments)
async def compare_from_cursor(runtime: Runtime, run_id: UUID, now: datetime) -> int:
    run = await runtime.database.first(REACHED, run_id=run_id)
    reached = (run.cursor if run is not None else None) or ""
    examined = 0
    async for intent, payment in records.pairs(client.of(runtime), runtime.database):
        examined += 1
        subject = intent.id if intent is not None else payment.intent_id if payment is not None else ""
        if subject <= reached or comparison.agree(intent, payment, now):
            continue
        await service._note(runtime, run_id, examined, subject)
        await service.examine_pair(runtime, run_id, intent, payment)
    return examined


filtered_page = Mutant(
    "SYS-R5.28",
    "With more than a page of bookings, unpaid ones behind the first page are never found.",
)
UNPAID_OF_PAGE = "SELECT * FROM ({page}) AS booking WHERE booking.unpaid ORDER BY booking.id"


@filtered_page.replace(store.bookings_after)
async def unpaid_bookings_after(database: Database, after: UUID, *, limit: int) -> Sequence[Row[Any]]:
    return await database.all(UNPAID_OF_PAGE.format(page=store.BOOKINGS_AFTER), after=after, limit=limit)
