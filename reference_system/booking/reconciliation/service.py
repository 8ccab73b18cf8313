"""One reconciliation run: go through both sides, look closely at what may differ, report and repair.

Memory is bounded: a page of either side and one checkout at a time. Progress and findings are
committed as they come. A run that was interrupted is taken up by the next one under its id, with what
it had found; it goes through everything again, because what it had passed may have changed since.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

import structlog

from reference_system.booking.checkout import store as checkouts
from reference_system.booking.checkout.ending import NeedsPerson
from reference_system.booking.db import UnitOfWork
from reference_system.booking.db_errors import ConstraintViolated
from reference_system.booking.payments import client
from reference_system.booking.payments.client import ProviderRefused
from reference_system.booking.payments.intents import Intent, Malformed
from reference_system.booking.problems import Problem
from reference_system.booking.reconciliation import agreement, diagnosis, repairs, sides, store
from reference_system.booking.reconciliation.diagnosis import Action, Difference
from reference_system.booking.reconciliation.facts import Here, Summary, There
from reference_system.booking.runtime import Runtime

PAGE = 500
NOTE_EVERY = 1000
ROUNDS = 5
"""Each repair by the provider is recorded in the round after it; what takes more is left for next time."""
RESUME_WITHIN = timedelta(days=1)

_log = structlog.get_logger(__name__)


async def run(runtime: Runtime) -> tuple[UUID, int]:
    """Reconcile everything; returns the run's id and how many payments were examined.

    Raises ProviderUnreachable or DatabaseFailed; the next run goes on then.
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
    """Every intent there with its payment here, in step; returns how many there were."""
    examined = 0
    async for intent, payment in sides.pairs(client.of(runtime), runtime.database):
        if not agreement.agree(intent, payment, now):
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
    """Look closely at the checkout that a payment is for; one that is for none is a person's."""
    checkout_id = payment.checkout_id if payment is not None else None
    if checkout_id is None and intent is not None:
        checkout_id = intent.checkout_id
    if checkout_id is None or not await examine(runtime, run_id, checkout_id):
        await examine_stray(runtime, run_id, intent, payment)


async def look_for_unpaid_bookings(runtime: Runtime, run_id: UUID) -> None:
    """Bookings made through checkout of whose payment nothing is on record."""
    after, more = UUID(int=0), True
    while more:
        page = await store.bookings_after(runtime.database, after, limit=PAGE)
        for booking in page:
            after = booking.id
            if booking.unpaid:
                await examine(runtime, run_id, booking.checkout_id)
        more = len(page) == PAGE


async def look_for_orphan_holds(runtime: Runtime, run_id: UUID) -> None:
    """Holds that keep a place for nobody."""
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
    """Find, report and repair what differs about a checkout; False when there is no such checkout.

    Looks again after each round of repairs, until both sides agree or only a person can help. What
    comes up in later rounds comes of the repairs, and is not reported.
    """
    here = await sides.look_here(runtime.database, checkout_id)
    if here is None:
        return False
    report = True
    for _ in range(ROUNDS):
        try:
            there = await sides.look_there(client.of(runtime), here)
            differences = await decide(runtime, run_id, there, here, report=report)
        except (NeedsPerson, ConstraintViolated, ProviderRefused, Malformed, Problem) as error:
            await give_up(runtime, run_id, str(checkout_id), error)
            return True
        if differences is not None:
            report = False
            if not await call_provider(runtime, differences):
                return True
        now_here = await sides.look_here(runtime.database, checkout_id)
        assert now_here is not None
        here = now_here
    _log.warning("reconciliation-unsettled", checkout=str(checkout_id))
    return True


async def decide(
    runtime: Runtime, run_id: UUID, there: There, here: Here, *, report: bool
) -> list[Difference] | None:
    """Diagnose under the checkout's lock, repair what the database can, and report; one transaction.

    None: what is here changed while the provider was asked, so that the two do not belong together.
    """
    now = await runtime.clock.now()
    subject = str(here.checkout_id)

    async def work(uow: UnitOfWork) -> list[Difference] | None:
        checkout = await checkouts.lock_checkout(uow, here.checkout_id)
        assert checkout is not None
        if await sides.look_here(uow, here.checkout_id) != here:
            return None
        # An interrupted run that had begun to repair it has reported what it was.
        reporting = report and not await store.found_before(uow, run_id=run_id, subject=subject)
        differences = diagnosis.diagnose(there, here, now)
        for difference in differences:
            told = await repairs.repair(uow, checkout, difference, now=now)
            if told is not None and reporting:
                await store.add_finding(
                    uow,
                    run_id=run_id,
                    kind=told.kind,
                    subject=subject,
                    action=told.action,
                    detail=detail_of(told),
                )
        return differences

    return await runtime.database.run(work)


async def give_up(runtime: Runtime, run_id: UUID, subject: str, error: Exception) -> None:
    """What stops the repair of one checkout does not stop the run: a person gets it."""
    _log.error("reconciliation-failed", subject=subject, error=str(error))
    await tell_person(
        runtime, run_id, subject, Difference("repair failed", Action.DEAD_LETTER, type(error).__name__)
    )


def detail_of(difference: Difference) -> dict[str, object]:
    """What a person who reads the finding wants to know besides."""
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
    """The provider's part of some repairs; whether it is worth looking again.

    Raises ProviderUnreachable. A call that is refused is logged, and found again by the next run.
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


# -- what belongs to no checkout --------------------------------------------------------------------


async def examine_stray(
    runtime: Runtime, run_id: UUID, intent: Intent | None, payment: Summary | None
) -> None:
    """A payment for no checkout of ours: there is no place to book and nobody to ask."""
    subject = intent.id if intent is not None else payment.intent_id if payment is not None else ""
    kind = "captured there, unknown here" if payment is None else "amount differs"
    if payment is None and (intent is None or intent.left_minor <= 0):
        return
    await tell_person(
        runtime, run_id, subject, Difference(kind, Action.DEAD_LETTER, "it belongs to no checkout")
    )


async def tell_person(runtime: Runtime, run_id: UUID, subject: str, difference: Difference) -> None:
    """Report and leave to a person what nothing is done about, unless he has it."""
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
    """A hold of no checkout: released, its place is free."""
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
