"""The records of both sides: in order of intents, one page of each in memory, and of one checkout."""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import UUID

from reference_system.booking.ledger import store as ledger
from reference_system.booking.payments import store as payments
from reference_system.booking.payments.client import ProviderClient
from reference_system.booking.payments.intents import Intent
from reference_system.booking.platform.db import Database, UnitOfWork
from reference_system.booking.reconciliation import store
from reference_system.booking.reconciliation.facts import (
    Here,
    PaymentHere,
    Posting,
    RefundHere,
    Summary,
    There,
)

PAGE = 500

Pair = tuple[Intent | None, Summary | None]


async def intents_there(provider: ProviderClient) -> AsyncIterator[Intent]:
    """Yield every intent of the provider, in byte order of ids."""
    after, more = "", True
    while more:
        page, more = await provider.intents_after(after, limit=PAGE)
        for intent in page:
            yield intent
        after = page[-1].id if page else after


async def payments_here(database: Database) -> AsyncIterator[Summary]:
    """Yield every payment with an intent, in byte order of intent ids."""
    after, more = "", True
    while more:
        page = await store.payments_after(database, after, limit=PAGE)
        for payment in page:
            yield payment
        more = len(page) == PAGE
        after = page[-1].intent_id if page else after


async def pairs(provider: ProviderClient, database: Database) -> AsyncIterator[Pair]:
    """Yield each intent with its payment; one of them may be missing."""
    there, here = aiter(intents_there(provider)), aiter(payments_here(database))
    intent, payment = await anext(there, None), await anext(here, None)
    while intent is not None or payment is not None:
        if payment is None or (intent is not None and intent.id < payment.intent_id):
            yield intent, None
            intent = await anext(there, None)
        elif intent is None or payment.intent_id < intent.id:
            yield None, payment
            payment = await anext(here, None)
        else:
            yield intent, payment
            intent, payment = await anext(there, None), await anext(here, None)


async def look_here(source: UnitOfWork | Database, checkout_id: UUID) -> Here | None:
    """Return the local records of a checkout; None if there is no such checkout."""
    row = await store.checkout(source, checkout_id)
    if row is None:
        return None
    found = tuple(
        PaymentHere(*tuple(payment)) for payment in await store.payments_of_checkout(source, checkout_id)
    )
    ids = [payment.id for payment in found]
    return Here(
        checkout_id=row.id,
        state=row.state,
        amount_minor=row.amount_minor,
        currency=row.currency,
        lease_until=row.lease_until,
        hold_live=row.hold_live,
        booking_id=row.booking_id,
        booking_status=row.booking_status,
        payments=found,
        refunds=tuple(
            RefundHere(r.id, r.payment_id, r.provider_refund_id, r.amount_minor, r.state)
            for r in await payments.refunds_of_payments(source, ids)
        ),
        postings=tuple(
            Posting(
                p.id,
                p.kind,
                p.reference,
                p.payment_id,
                p.amount_minor,
                p.entries,
                p.balance_minor,
                p.currency,
            )
            for p in await ledger.standing(source, ids)
        ),
        unrefundable=await store.unrefundable(source, ids),
    )


async def look_there(provider: ProviderClient, here: Here) -> There:
    """Return the provider's records of a checkout, including those of the payments recorded for it here."""
    intents = await provider.intents_of(here.checkout_id)
    known = {intent.id for intent in intents}
    for payment in here.payments:
        if payment.intent_id is not None and payment.intent_id not in known:
            intent = await provider.read_intent(payment.intent_id)
            intents += [intent] if intent is not None else []
    return There(
        tuple(intents),
        {intent.id: tuple(await provider.refunds_of(intent.id)) for intent in intents if intent.is_captured},
    )
