"""What the policy does about each difference; every repair is idempotent.

What the database can do happens in the transaction that found the difference, under the checkout's
lock. What the provider must do happens after its commit, under a key that follows from the subject;
what comes of it is then found, and recorded, by looking again.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Row

from reference_system.booking.audit import store as audit
from reference_system.booking.bookings import service as bookings
from reference_system.booking.checkout import ending
from reference_system.booking.checkout import store as checkouts
from reference_system.booking.db import UnitOfWork
from reference_system.booking.dead_letters import store as dead_letters
from reference_system.booking.holds import service as holds
from reference_system.booking.ledger import service as ledger
from reference_system.booking.ledger import store as ledger_rows
from reference_system.booking.payments import client, refunds
from reference_system.booking.payments import store as payments
from reference_system.booking.payments.client import ProviderRefused
from reference_system.booking.reconciliation.diagnosis import Action, Difference
from reference_system.booking.runtime import Runtime

PLACE_TAKEN = "captured there, unknown here, place taken"


async def repair(
    uow: UnitOfWork, checkout: Row[Any], difference: Difference, *, now: datetime
) -> Difference | None:
    """Repair what the database can repair; returns the difference as it is to be reported.

    None: it is not to be reported, a person has it already.
    """
    match difference.action:
        case Action.COMPLETE:
            return await complete(uow, checkout, difference, now=now)
        case Action.RETURN_SURPLUS:
            assert difference.intent is not None
            await ending.return_surplus(uow, checkout, difference.intent, now=now)
        case Action.DECLINE:
            assert difference.intent is not None
            await ending.decline(uow, checkout, difference.intent, now=now)
        case Action.CANCEL_BOOKING:
            await cancel_booking(uow, checkout, difference, now=now)
        case Action.RECORD_REFUND:
            await record_refund(uow, checkout, difference, now=now)
        case Action.POST_CAPTURE:
            await post_capture(uow, difference, now=now)
        case Action.POST_REFUND:
            await post_refund(uow, difference, now=now)
        case Action.REVERSE:
            assert difference.posting is not None
            await ledger.reverse(uow, transaction_id=difference.posting.id, now=now)
        case Action.RELEASE_HOLD:
            await holds.release(uow, checkout_id=checkout.id, now=now)
        case Action.DEAD_LETTER:
            return difference if await leave_to_person(uow, str(checkout.id), difference, now=now) else None
        case Action.CAPTURE | Action.SEND_REFUND | Action.REFUND:
            pass  # the provider's part, after the commit
    return difference


async def call_provider(runtime: Runtime, difference: Difference) -> bool:
    """The provider's part of a repair; whether there was one.

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
    """Book what was paid for, or owe the money back when its place is taken."""
    assert difference.intent is not None
    if difference.payment is None:
        ended = await ending.complete(uow, checkout, difference.intent, now=now)
    else:
        booking = await checkouts.lock_booking(uow, checkout.id)
        ended = await ending.book_or_owe(uow, checkout, booking, difference.intent, now=now)
    if ended.refund_id is None:
        return difference
    return Difference(PLACE_TAKEN, Action.REFUND, intent=difference.intent)


async def capture(runtime: Runtime, difference: Difference) -> None:
    """Take the money for a booking, once more and once; what can no longer be taken is seen next."""
    assert difference.intent is not None
    try:
        await client.of(runtime).capture(difference.intent.id, key=client.recapture_key(difference.intent.id))
    except ProviderRefused as refused:
        if refused.code != "not_capturable":
            raise


async def cancel_booking(
    uow: UnitOfWork, checkout: Row[Any], difference: Difference, *, now: datetime
) -> None:
    """A booking that nobody paid for ends; what the books say of a payment is taken back first."""
    payment = difference.payment
    if payment is not None:
        for posting in await ledger_rows.standing(uow, [payment.id]):
            await ledger.reverse(uow, transaction_id=posting.id, now=now)
        await payments.void(uow, payment_id=payment.id)
        await audit.record(
            uow, at=now, actor=audit.SYSTEM, action="voided", entity="payment", entity_id=payment.id
        )
    booking = await checkouts.lock_booking(uow, checkout.id)
    if booking is not None and booking.status == "confirmed":
        await bookings.cancel_locked(
            uow, booking_id=booking.id, actor=audit.SYSTEM, reason="not paid for", now=now
        )


async def record_refund(
    uow: UnitOfWork, checkout: Row[Any], difference: Difference, *, now: datetime
) -> None:
    """Take over what the provider says of a refund, as its event would have had us do."""
    assert difference.payment is not None
    assert difference.there is not None
    payment = await payments.lock_payment_by_id(uow, difference.payment.id)
    await refunds.record(uow, payment, difference.there, now=now)
    await ending.cancel_if_refunded(uow, checkout.id, payment.id, actor=audit.SYSTEM, now=now)


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


async def leave_to_person(uow: UnitOfWork, subject: str, difference: Difference, *, now: datetime) -> bool:
    """Put it into the dead-letter queue; False when it was there before."""
    return await dead_letters.put(
        uow,
        source="reconciliation",
        subject=subject,
        reason=f"{difference.kind}: {difference.reason}",
        payload={"kind": difference.kind},
        now=now,
    )
