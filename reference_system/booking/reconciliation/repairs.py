"""The repairs of differences; every repair is idempotent.

The database's part runs in the transaction that found the difference, under the checkout's lock. The
provider's part runs after the commit, under a key derived from the subject; its result is recorded when the
checkout is compared again.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Row

from reference_system.booking.audit import store as audit
from reference_system.booking.bookings import service as bookings
from reference_system.booking.checkout import outcomes
from reference_system.booking.checkout import store as checkouts
from reference_system.booking.dead_letters import store as dead_letters
from reference_system.booking.holds import service as holds
from reference_system.booking.ledger import service as ledger
from reference_system.booking.ledger import store as ledger_rows
from reference_system.booking.payments import client, refunds
from reference_system.booking.payments import store as payments
from reference_system.booking.payments.client import ProviderRefused
from reference_system.booking.platform.db import UnitOfWork
from reference_system.booking.platform.runtime import Runtime
from reference_system.booking.reconciliation.diagnosis import Action, Difference
from reference_system.booking.reconciliation.facts import PaymentHere

PLACE_TAKEN = "captured there, unknown here, place taken"


async def repair(
    uow: UnitOfWork, checkout: Row[Any], difference: Difference, *, now: datetime
) -> Difference | None:
    """Run the database's part of a repair; returns the difference to report.

    None: it was left to a person before, so it is not reported.
    """
    match difference.action:
        case Action.COMPLETE:
            return await complete(uow, checkout, difference, now=now)
        case Action.RETURN_SURPLUS:
            assert difference.intent is not None
            await outcomes.return_surplus(uow, checkout, difference.intent, now=now)
        case Action.DECLINE:
            assert difference.intent is not None
            await outcomes.decline(uow, checkout, difference.intent, now=now)
        case Action.CANCEL_BOOKING:
            await cancel_booking(uow, checkout, difference, now=now)
        case Action.RECORD_REFUND:
            await record_refund(uow, checkout, difference, now=now)
        case Action.POST_CAPTURE | Action.POST_REFUND | Action.COMPLETE_PAIR | Action.REVERSE:
            await repair_ledger(uow, difference, now=now)
        case Action.WRITE_OFF:
            assert difference.payment is not None
            await write_off(uow, difference.payment, now=now)
        case Action.RELEASE_HOLD:
            await holds.release(uow, checkout_id=checkout.id, now=now)
        case Action.DEAD_LETTER:
            return difference if await leave_to_person(uow, str(checkout.id), difference, now=now) else None
        case Action.CAPTURE | Action.SEND_REFUND | Action.REFUND:
            pass  # repaired by the provider, after the commit
    return difference


async def call_provider(runtime: Runtime, difference: Difference) -> bool:
    """Run the provider's part of a repair; returns whether there is one.

    Raises ProviderUnreachable.
    """
    match difference.action:
        case Action.CAPTURE:
            await capture(runtime, difference)
        case Action.SEND_REFUND:
            assert difference.refund is not None
            await refunds.send(runtime, difference.refund.id)
        case _:
            return False
    return True


async def complete(
    uow: UnitOfWork, checkout: Row[Any], difference: Difference, *, now: datetime
) -> Difference:
    """Book the paid place, or record a refund if it is taken."""
    assert difference.intent is not None
    if difference.payment is None:
        ended = await outcomes.complete(uow, checkout, difference.intent, now=now)
    else:
        booking = await checkouts.lock_booking(uow, checkout.id)
        ended = await outcomes.book_or_owe(uow, checkout, booking, difference.intent, now=now)
    if ended.refund_id is None:
        return difference
    return Difference(PLACE_TAKEN, Action.REFUND, intent=difference.intent)


async def capture(runtime: Runtime, difference: Difference) -> None:
    """Capture the payment of a booking under the key of a recapture; the next comparison sees a failure."""
    assert difference.intent is not None
    try:
        await client.of(runtime).capture(difference.intent.id, key=client.recapture_key(difference.intent.id))
    except ProviderRefused as refused:
        if refused.code != "not_capturable":
            raise


async def cancel_booking(
    uow: UnitOfWork, checkout: Row[Any], difference: Difference, *, now: datetime
) -> None:
    """Cancel an unpaid booking; a recorded payment is reversed in the ledger and voided first."""
    if difference.payment is not None:
        await write_off(uow, difference.payment, now=now)
    booking = await checkouts.lock_booking(uow, checkout.id)
    if booking is not None and booking.status == "confirmed":
        await bookings.cancel_locked(
            uow, booking_id=booking.id, actor=audit.SYSTEM, reason="not paid for", now=now
        )


async def write_off(uow: UnitOfWork, payment: PaymentHere, *, now: datetime) -> None:
    """Reverse a payment in the ledger that the provider never captured, and void it."""
    for posting in await ledger_rows.standing(uow, [payment.id]):
        await ledger.reverse(uow, transaction_id=posting.id, now=now)
    await payments.void(uow, payment_id=payment.id)
    await audit.record(
        uow, at=now, actor=audit.SYSTEM, action="voided", entity="payment", entity_id=payment.id
    )


async def record_refund(
    uow: UnitOfWork, checkout: Row[Any], difference: Difference, *, now: datetime
) -> None:
    """Record the provider's state of a refund, as its event would have done."""
    assert difference.payment is not None
    assert difference.there is not None
    payment = await payments.lock_payment_by_id(uow, difference.payment.id)
    await refunds.record(uow, payment, difference.there, now=now)
    await outcomes.cancel_if_refunded(uow, checkout.id, payment.id, actor=audit.SYSTEM, now=now)


async def repair_ledger(uow: UnitOfWork, difference: Difference, *, now: datetime) -> None:
    """Post or complete a pair, or reverse a surplus one."""
    match difference.action:
        case Action.POST_CAPTURE:
            await post_capture(uow, difference, now=now)
        case Action.POST_REFUND:
            await post_refund(uow, difference, now=now)
        case Action.COMPLETE_PAIR:
            await complete_pair(uow, difference)
        case _:
            assert difference.posting is not None
            await ledger.reverse(uow, transaction_id=difference.posting.id, now=now)


async def post_capture(uow: UnitOfWork, difference: Difference, *, now: datetime) -> None:
    payment = difference.payment
    assert payment is not None
    assert payment.intent_id is not None
    await ledger.post_capture(
        uow,
        payment_id=payment.id,
        intent_id=payment.intent_id,
        amount_minor=payment.captured_minor,
        currency=payment.currency,
        now=now,
    )


async def post_refund(uow: UnitOfWork, difference: Difference, *, now: datetime) -> None:
    payment, refund = difference.payment, difference.refund
    assert payment is not None
    assert refund is not None
    await ledger.post_refund(
        uow,
        payment_id=payment.id,
        refund_id=refund.id,
        amount_minor=refund.amount_minor,
        currency=payment.currency,
        now=now,
    )


async def complete_pair(uow: UnitOfWork, difference: Difference) -> None:
    payment, posting = difference.payment, difference.posting
    assert payment is not None
    assert posting is not None
    amount_minor = difference.refund.amount_minor if difference.refund else payment.captured_minor
    await ledger.complete_pair(
        uow,
        transaction_id=posting.id,
        kind=posting.kind,
        amount_minor=amount_minor,
        currency=payment.currency,
    )


async def leave_to_person(uow: UnitOfWork, subject: str, difference: Difference, *, now: datetime) -> bool:
    """Add a dead letter for a difference; returns False if there is one, also one with other figures."""
    if await dead_letters.is_open(uow, source="reconciliation", subject=subject, kind=difference.kind):
        return False
    return await dead_letters.put(
        uow,
        source="reconciliation",
        subject=subject,
        reason=f"{difference.kind}: {difference.reason}",
        payload={"kind": difference.kind},
        now=now,
    )
