"""One reconciliation run: compare both sides, examine possible differences, report and repair.

Memory is bounded: one page of each side and one checkout at a time. Progress and findings are committed
during the run. The next run continues an interrupted one under its id and with its findings, but compares
everything again, because records may have changed since.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

import structlog

from reference_system.booking.checkout import store as checkouts
from reference_system.booking.checkout.outcomes import NeedsPerson
from reference_system.booking.payments import client
from reference_system.booking.payments.client import ProviderRefused
from reference_system.booking.payments.intents import Intent, Malformed
from reference_system.booking.platform.db import UnitOfWork
from reference_system.booking.platform.db_errors import ConstraintViolated
from reference_system.booking.platform.problems import Problem
from reference_system.booking.platform.runtime import Runtime
from reference_system.booking.reconciliation import comparison, diagnosis, records, repairs, store
from reference_system.booking.reconciliation.diagnosis import Action, Difference
from reference_system.booking.reconciliation.facts import Here, Summary, There

PAGE = 500
NOTE_EVERY = 1000
ROUNDS = 5
"""Each repair by the provider is recorded in the round after it; what takes more is left for next time."""
RESUME_WITHIN = timedelta(days=1)

_log = structlog.get_logger(__name__)


async def run(runtime: Runtime) -> tuple[UUID, int]:
    """Reconcile everything; returns the run's id and the number of payments examined.

    Raises ProviderUnreachable or DatabaseFailed; then the next run continues.
    """
    now = await runtime.clock.now()

    async def begin(uow: UnitOfWork) -> UUID:
        return await store.begin_or_resume(uow, since=now - RESUME_WITHIN, now=now)

    run_id = await runtime.database.run(begin)
    examined = await compare_payments(runtime, run_id, now)
    await look_for_unpaid_bookings(runtime, run_id)
    await look_for_orphan_holds(runtime, run_id)

    async def finish(uow: UnitOfWork) -> None:
        await store.finish_run(uow, run_id=run_id, examined=examined, now=now)

    await runtime.database.run(finish)
    return run_id, examined


async def compare_payments(runtime: Runtime, run_id: UUID, now: datetime) -> int:
    """Compare every intent of the provider with its payment, in order; returns the number of pairs."""
    examined = 0
    async for intent, payment in records.pairs(client.of(runtime), runtime.database):
        if not comparison.agree(intent, payment, now):
            await examine_pair(runtime, run_id, intent, payment)
        examined += 1
        if examined % NOTE_EVERY == 0:
            await _note(runtime, run_id, examined, intent.id if intent else "")
    return examined


async def _note(runtime: Runtime, run_id: UUID, examined: int, cursor: str) -> None:
    async def work(uow: UnitOfWork) -> None:
        await store.note_progress(uow, run_id=run_id, examined=examined, cursor=cursor)

    await runtime.database.run(work)


async def examine_pair(
    runtime: Runtime, run_id: UUID, intent: Intent | None, payment: Summary | None
) -> None:
    """Examine the checkout of a pair; a payment without a checkout is left to a person."""
    checkout_id = payment.checkout_id if payment is not None else None
    if checkout_id is None and intent is not None:
        checkout_id = intent.checkout_id
    if checkout_id is None or not await examine(runtime, run_id, checkout_id):
        await examine_stray(runtime, run_id, intent, payment)


async def look_for_unpaid_bookings(runtime: Runtime, run_id: UUID) -> None:
    """Examine the checkouts of bookings without any recorded payment."""
    after, more = UUID(int=0), True
    while more:
        page = await store.bookings_after(runtime.database, after, limit=PAGE)
        for booking in page:
            after = booking.id
            if booking.unpaid:
                await examine(runtime, run_id, booking.checkout_id)
        more = len(page) == PAGE


async def look_for_orphan_holds(runtime: Runtime, run_id: UUID) -> None:
    """Examine or release holds that no checkout will use."""
    after, more = UUID(int=0), True
    while more:
        page = await store.orphan_holds(runtime.database, after, limit=PAGE)
        for hold in page:
            after = hold.id
            if hold.checkout_id is not None:
                await examine(runtime, run_id, hold.checkout_id)
            else:
                await release_stray(runtime, run_id, hold.id)
        more = len(page) == PAGE


# -- one checkout -----------------------------------------------------------------------------------


async def examine(runtime: Runtime, run_id: UUID, checkout_id: UUID) -> bool:
    """Find, report and repair the differences of a checkout; returns False if there is no such checkout.

    Compares again after each round of repairs, until both sides agree or a person must decide. Differences
    of later rounds result from the repairs and are not reported.
    """
    here = await records.look_here(runtime.database, checkout_id)
    if here is None:
        return False
    report = True
    for _ in range(ROUNDS):
        try:
            there = await records.look_there(client.of(runtime), here)
            differences = await decide(runtime, run_id, there, here, report=report)
        except (NeedsPerson, ConstraintViolated, ProviderRefused, Malformed, Problem) as error:
            await give_up(runtime, run_id, str(checkout_id), error)
            return True
        if differences is not None:
            report = False
            if not await call_provider(runtime, differences):
                return True
        now_here = await records.look_here(runtime.database, checkout_id)
        assert now_here is not None
        here = now_here
    _log.warning("reconciliation-unsettled", checkout=str(checkout_id))
    return True


async def decide(
    runtime: Runtime, run_id: UUID, there: There, here: Here, *, report: bool
) -> list[Difference] | None:
    """Diagnose under the checkout's lock, repair what the database can, and report; one transaction.

    None: the local records changed while the provider was queried, so the two states do not match.
    """
    now = await runtime.clock.now()
    subject = str(here.checkout_id)

    async def work(uow: UnitOfWork) -> list[Difference] | None:
        checkout = await checkouts.lock_checkout(uow, here.checkout_id)
        assert checkout is not None
        if await records.look_here(uow, here.checkout_id) != here:
            return None
        # An interrupted run that began the repair has reported the difference.
        reporting = report and not await store.found_before(uow, run_id=run_id, subject=subject)
        differences = diagnosis.diagnose(there, here, now)
        for difference in differences:
            finding = await repairs.repair(uow, checkout, difference, now=now)
            if finding is not None and reporting:
                await store.add_finding(
                    uow,
                    run_id=run_id,
                    kind=finding.kind,
                    subject=subject,
                    action=finding.action,
                    detail=detail_of(finding),
                )
        return differences

    return await runtime.database.run(work)


async def give_up(runtime: Runtime, run_id: UUID, subject: str, error: Exception) -> None:
    """Leave a checkout whose repair fails to a person, so that the run continues."""
    _log.error("reconciliation-failed", subject=subject, error=str(error))
    await tell_person(
        runtime, run_id, subject, Difference("repair failed", Action.DEAD_LETTER, type(error).__name__)
    )


def detail_of(difference: Difference) -> dict[str, object]:
    """Further details for a person who reads the finding."""
    return {
        name: value
        for name, value in (
            ("reason", difference.reason or None),
            ("intent", difference.intent.id if difference.intent else None),
            ("payment", difference.payment.id if difference.payment else None),
            ("refund", difference.refund.id if difference.refund else None),
            ("provider_refund", difference.there.id if difference.there else None),
            ("ledger_transaction", difference.posting.id if difference.posting else None),
        )
        if value is not None
    }


async def call_provider(runtime: Runtime, differences: list[Difference]) -> bool:
    """Run the provider's part of some repairs; returns whether to compare again.

    Raises ProviderUnreachable. A refused call is logged, and the next run finds its difference again.
    """
    again = False
    for difference in differences:
        try:
            called = await repairs.call_provider(runtime, difference)
        except (ProviderRefused, Malformed) as error:
            _log.error("repair-refused", action=difference.action, error=str(error))
            called = False
        owes = difference.action in (Action.COMPLETE, Action.RETURN_SURPLUS, Action.RECORD_REFUND)
        again = again or called or owes
    return again


# -- records without a checkout ---------------------------------------------------------------------


async def examine_stray(
    runtime: Runtime, run_id: UUID, intent: Intent | None, payment: Summary | None
) -> None:
    """Report a payment without a checkout here: there is no place to book and no customer."""
    subject = intent.id if intent is not None else payment.intent_id if payment is not None else ""
    kind = "captured there, unknown here" if payment is None else "amount differs"
    if payment is None and (intent is None or intent.left_minor <= 0):
        return
    await tell_person(
        runtime, run_id, subject, Difference(kind, Action.DEAD_LETTER, "it belongs to no checkout")
    )


async def tell_person(runtime: Runtime, run_id: UUID, subject: str, difference: Difference) -> None:
    """Report a difference that is not repaired and leave it to a person, unless that was done before."""
    now = await runtime.clock.now()

    async def work(uow: UnitOfWork) -> None:
        if await repairs.leave_to_person(uow, subject, difference, now=now):
            await store.add_finding(
                uow,
                run_id=run_id,
                kind=difference.kind,
                subject=subject,
                action=difference.action,
                detail=detail_of(difference),
            )

    await runtime.database.run(work)


async def release_stray(runtime: Runtime, run_id: UUID, hold_id: UUID) -> None:
    """Release a hold that belongs to no checkout and report it."""
    now = await runtime.clock.now()

    async def work(uow: UnitOfWork) -> None:
        if await store.release_stray_hold(uow, hold_id=hold_id, now=now):
            await store.add_finding(
                uow,
                run_id=run_id,
                kind="hold orphaned",
                subject=str(hold_id),
                action=Action.RELEASE_HOLD,
                detail={},
            )

    await runtime.database.run(work)
