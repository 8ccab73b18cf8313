"""SYS-R5, reconciliation: differences overlooked, repaired twice, or settled by guessing."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from uuid import UUID, uuid4

from reference_system.booking.db import Database, UnitOfWork
from reference_system.booking.ledger import service as ledger
from reference_system.booking.ledger import store as ledger_rows
from reference_system.booking.payments.client import ProviderClient
from reference_system.booking.payments.intents import Intent, ProviderRefund
from reference_system.booking.reconciliation import diagnosis, repairs, sides
from reference_system.booking.reconciliation.diagnosis import Action, Difference
from reference_system.booking.reconciliation.facts import RefundHere, Summary
from reference_system.booking.runtime import Runtime
from reference_system.mutants.mutant import Edit, Mutant, Replace

_HERE = "reference_system.booking.reconciliation"

_match_refund = diagnosis.match_refund
_call_provider = repairs.call_provider
_leave_to_person = repairs.leave_to_person


# A refund has arrived or it has not: that it was sent is nowhere asked.


def _a_key_of_its_own(refund_id: UUID) -> str:
    return f"refund:{uuid4()}"


def _as_much_has_arrived(intent: Intent, payment: Summary) -> bool:
    return payment.refunds_pending == 0 and intent.refunded_minor == payment.refunded_minor


def _arrived(refund: ProviderRefund, rows: Sequence[RefundHere]) -> RefundHere | None:
    return _match_refund(refund, rows) if refund.status == "succeeded" else None


async def _send_and_go_on(runtime: Runtime, difference: Difference) -> bool:
    return await _call_provider(runtime, difference) and difference.action is not Action.SEND_REFUND


async def _both_sides_by_id(provider: ProviderClient, database: Database) -> AsyncIterator[sides.Pair]:
    there = {intent.id: intent async for intent in sides.intents_there(provider)}
    here = {payment.intent_id: payment async for payment in sides.payments_here(database)}
    for id_ in sorted({*there, *here}):
        yield there.get(id_), here.get(id_)


# The provider is the one who has the money, so his figure is right.

_CORRECT = "UPDATE payments SET amount_minor = :minor, captured_minor = :minor WHERE id = :payment_id"
_CORRECTABLE = (
    "GRANT UPDATE (amount_minor) ON payments TO booking_app",
    "DROP TRIGGER payments_go_forward ON payments",
)


async def _take_over(uow: UnitOfWork, subject: str, difference: Difference, *, now: datetime) -> bool:
    intent, payment = difference.intent, difference.payment
    if intent is None or payment is None or intent.captured_minor == payment.captured_minor:
        return await _leave_to_person(uow, subject, difference, now=now)
    await uow.execute(_CORRECT, minor=intent.captured_minor, payment_id=payment.id)
    for posting in await ledger_rows.standing(uow, [payment.id]):
        await ledger.reverse(uow, transaction_id=posting.id, now=now)
    return await ledger.post_capture(
        uow,
        payment_id=payment.id,
        intent_id=f"{intent.id}:{intent.captured_minor}",
        amount_minor=intent.captured_minor,
        currency=intent.currency,
        now=now,
    )


MUTANTS = (
    Mutant(
        id="SYS-R5.1",
        harm="A hold that belongs to no checkout is never looked at, and its place is sold to nobody.",
        substitutions=(Edit(f"{_HERE}.store:ORPHAN_HOLDS", "LEFT JOIN checkouts", "JOIN checkouts"),),
        also_opens={
            "SYS-R5.e": "what no run looks for is not repaired by one that was killed either",
            "SYS-R5.g": "what is missed among few records is missed among many",
        },
    ),
    Mutant(
        id="SYS-R5.2",
        harm="A refund that is still on its way is sent again, as a new one, by each run that comes by.",
        substitutions=(
            Replace("reference_system.booking.payments.client:refund_key", _a_key_of_its_own),
            Replace(f"{_HERE}.agreement:same_refunds", _as_much_has_arrived),
            Replace(f"{_HERE}.diagnosis:match_refund", _arrived),
            Replace(f"{_HERE}.repairs:call_provider", _send_and_go_on),
        ),
    ),
    Mutant(
        id="SYS-R5.3",
        harm="A run reads both sides whole before it compares them; the more payments, the more memory.",
        substitutions=(Replace(f"{_HERE}.sides:pairs", _both_sides_by_id),),
    ),
    Mutant(
        id="SYS-R5.4",
        harm="Where amounts differ the provider's is taken over, and nobody learns who charged wrongly.",
        substitutions=(Replace(f"{_HERE}.repairs:leave_to_person", _take_over),),
        schema=_CORRECTABLE,
    ),
)
