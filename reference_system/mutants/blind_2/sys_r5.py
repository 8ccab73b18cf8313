"""SYS-R5, reconciliation: a shape of a difference is missed, or repaired in the wrong way or order."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime
from typing import Any

from sqlalchemy import Row

from reference_system.booking.audit import store as audit
from reference_system.booking.checkout import outcomes
from reference_system.booking.checkout import store as checkouts
from reference_system.booking.dead_letters import store as dead_letters
from reference_system.booking.payments import client, refunds
from reference_system.booking.payments import store as payments
from reference_system.booking.payments.client import ProviderClient, ProviderRefused
from reference_system.booking.payments.intents import Intent
from reference_system.booking.platform.db import UnitOfWork
from reference_system.booking.platform.runtime import Runtime
from reference_system.booking.reconciliation import comparison, diagnosis, records, repairs, store
from reference_system.booking.reconciliation.diagnosis import Action, Difference
from reference_system.booking.reconciliation.facts import Here, Summary, There
from reference_system.mutants.mutant import Mutant

without_currency = Mutant(
    "SYS-R5.31",
    "A charge of the right figure in another currency is never found.",
)


@without_currency.replace(comparison.same_amounts)
def same_figures(intent: Intent, payment: Summary) -> bool:
    return (intent.amount_minor, intent.captured_minor) == (payment.amount_minor, payment.captured_minor)


latest_kept = Mutant(
    "SYS-R5.32",
    "Of two charges that are both unknown here, the earlier one is paid back and the later one kept.",
)


@latest_kept.replace(diagnosis.kept)
def recorded_or_latest(there: There, here: Here) -> Intent | None:
    if here.main is not None:
        on_books = there.intent(here.main.intent_id)
        return on_books if on_books is not None and on_books.is_captured else None
    # The customer's last attempt is the one that went through.
    return there.captured[-1] if there.captured else None


joined = Mutant(
    "SYS-R5.33",
    "A hold that belongs to no checkout is never found and takes its place for ever.",
)
joined.edit(store.ORPHAN_HOLDS, "LEFT JOIN checkouts", "JOIN checkouts")


repaired_anyway = Mutant(
    "SYS-R5.34",
    "A booking whose payment has another amount at the provider is left to a person and captured as well.",
)


@repaired_anyway.replace(diagnosis.diagnose)
def diagnose_everything(there: There, here: Here, now: datetime) -> list[Difference]:
    if here.is_in_hand(now):
        return []
    found = [
        *diagnosis.amounts(there, here),
        *diagnosis.second_captures(there, here),
        *diagnosis.unknown_captures(there, here),
        *diagnosis.missing_captures(there, here),
        *diagnosis.unheard_refusals(there, here),
    ]
    if all(one.action is not Action.CANCEL_BOOKING for one in found):
        found += [*diagnosis.refunds(there, here), *diagnosis.postings(here)]
    return [*found, *diagnosis.orphan_hold(here, found)]


dated = Mutant(
    "SYS-R5.35",
    "Each run adds a dead letter for a difference that has been left to a person already.",
)


@dated.replace(repairs.leave_to_person)
async def leave_to_person(uow: UnitOfWork, subject: str, difference: Difference, *, now: datetime) -> bool:
    return await dead_letters.put(
        uow,
        source="reconciliation",
        subject=subject,
        reason=f"{difference.kind}: {difference.reason} (seen at {now.isoformat()})",
        payload={"kind": difference.kind},
        now=now,
    )


cancelled_after = Mutant(
    "SYS-R5.36",
    "A run is killed between recording a full refund and cancelling the booking, which keeps its place.",
)
CHECKOUT_OF = "SELECT coalesce(checkout_id, surplus_of) AS id FROM payments WHERE id = :payment_id"


@cancelled_after.replace(repairs.record_refund)
async def record_refund(
    uow: UnitOfWork, checkout: Row[Any], difference: Difference, *, now: datetime
) -> None:
    assert difference.payment is not None
    assert difference.there is not None
    payment = await payments.lock_payment_by_id(uow, difference.payment.id)
    await refunds.record(uow, payment, difference.there, now=now)


@cancelled_after.wrap(repairs.call_provider)
async def cancel_or_call_provider(
    call_provider: Callable[[Runtime, Difference], Awaitable[bool]], runtime: Runtime, difference: Difference
) -> bool:
    now, payment = await runtime.clock.now(), difference.payment

    async def cancel(uow: UnitOfWork) -> None:
        assert payment is not None
        checkout_id = (await uow.one(CHECKOUT_OF, payment_id=payment.id)).id
        await checkouts.lock_checkout(uow, checkout_id)
        await outcomes.cancel_if_refunded(uow, checkout_id, payment.id, actor=audit.SYSTEM, now=now)

    if difference.action is Action.RECORD_REFUND:
        await runtime.database.run(cancel)
    return await call_provider(runtime, difference)


one_key = Mutant(
    "SYS-R5.37",
    "A booking whose capture was lost at the provider is not captured again: the call repeats an old answer.",
)


@one_key.replace(repairs.capture)
async def capture_under_one_key(runtime: Runtime, difference: Difference) -> None:
    intent = difference.intent
    assert intent is not None
    assert intent.checkout_id is not None
    try:
        # The checkout's own key, so that it is never captured twice.
        await client.of(runtime).capture(intent.id, key=client.capture_key(intent.checkout_id))
    except ProviderRefused as refused:
        if refused.code != "not_capturable":
            raise


guarded = Mutant(
    "SYS-R5.38",
    "Charges at the provider behind the first five thousand are never compared.",
)
MOST_PAGES = 10


@guarded.replace(records.intents_there)
async def intents_of_pages(provider: ProviderClient) -> AsyncIterator[Intent]:
    after = ""
    for _ in range(MOST_PAGES):  # a provider that repeats a page does not keep the run going for ever
        page, more = await provider.intents_after(after, limit=records.PAGE)
        for intent in page:
            yield intent
        if not more:
            return
        after = page[-1].id
