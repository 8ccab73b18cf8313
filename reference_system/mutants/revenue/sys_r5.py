"""SYS-R5, reconciliation: differences are missed, repaired twice, or repaired on an unproved assumption."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID, uuid4

from reference_system.booking.ledger import service as ledger
from reference_system.booking.ledger import store as ledger_rows
from reference_system.booking.payments import client
from reference_system.booking.payments.client import ProviderClient
from reference_system.booking.payments.intents import Intent, ProviderRefund
from reference_system.booking.platform.db import Database, UnitOfWork
from reference_system.booking.platform.runtime import Runtime
from reference_system.booking.reconciliation import comparison, diagnosis, records, repairs, store
from reference_system.booking.reconciliation.diagnosis import Action, Difference
from reference_system.booking.reconciliation.facts import RefundHere, Summary
from reference_system.mutants.mutant import Mutant

orphans_missed = Mutant(
    "SYS-R5.1",
    "A hold without a checkout is never examined, and its place is sold to no one.",
    also_opens={
        "SYS-R5.e": "what no run looks for is not repaired by one that was killed either",
        "SYS-R5.g": "what is missed among few records is missed among many",
    },
)
orphans_missed.edit(store.ORPHAN_HOLDS, "LEFT JOIN checkouts", "JOIN checkouts")


# A refund counts only after it has succeeded: refunds that were sent are not considered.
refunded_again = Mutant(
    "SYS-R5.2", "A refund that is still in transit is sent again, as a new one, by every run."
)


@refunded_again.replace(client.refund_key)
def new_key(refund_id: UUID) -> str:
    return f"refund:{uuid4()}"


@refunded_again.replace(comparison.same_refunds)
def as_much_has_arrived(intent: Intent, payment: Summary) -> bool:
    return payment.refunds_pending == 0 and intent.refunded_minor == payment.refunded_minor


@refunded_again.wrap(diagnosis.match_refund)
def match_arrived(
    match_refund: Callable[[ProviderRefund, Sequence[RefundHere]], RefundHere | None],
    refund: ProviderRefund,
    rows: Sequence[RefundHere],
) -> RefundHere | None:
    return match_refund(refund, rows) if refund.status == "succeeded" else None


@refunded_again.wrap(repairs.call_provider)
async def send_and_go_on(
    call_provider: Callable[[Runtime, Difference], Awaitable[bool]], runtime: Runtime, difference: Difference
) -> bool:
    return await call_provider(runtime, difference) and difference.action is not Action.SEND_REFUND


all_in_memory = Mutant(
    "SYS-R5.3",
    "A run reads all records of both sides before it compares them: memory grows with the payments.",
)


@all_in_memory.replace(records.pairs)
async def pairs_by_id(provider: ProviderClient, database: Database) -> AsyncIterator[records.Pair]:
    there = {intent.id: intent async for intent in records.intents_there(provider)}
    here = {payment.intent_id: payment async for payment in records.payments_here(database)}
    for id_ in sorted({*there, *here}):
        yield there.get(id_), here.get(id_)


# The provider has the money, so its amount is taken to be correct.
provider_is_right = Mutant(
    "SYS-R5.4",
    "Where amounts differ the provider's is taken over, and no person learns of the wrong charge.",
    schema=(
        "GRANT UPDATE (amount_minor) ON payments TO booking_app",
        "DROP TRIGGER payments_go_forward ON payments",
    ),
)
CORRECT = "UPDATE payments SET amount_minor = :minor, captured_minor = :minor WHERE id = :payment_id"


class LeaveToPerson(Protocol):
    async def __call__(
        self, uow: UnitOfWork, subject: str, difference: Difference, *, now: datetime
    ) -> bool: ...


@provider_is_right.wrap(repairs.leave_to_person)
async def take_over(
    leave_to_person: LeaveToPerson, uow: UnitOfWork, subject: str, difference: Difference, *, now: datetime
) -> bool:
    intent, payment = difference.intent, difference.payment
    if intent is None or payment is None or intent.captured_minor == payment.captured_minor:
        return await leave_to_person(uow, subject, difference, now=now)
    await uow.execute(CORRECT, minor=intent.captured_minor, payment_id=payment.id)
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
