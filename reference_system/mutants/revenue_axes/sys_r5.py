"""SYS-R5, by kind: mistakes that only some shapes, ages, methods, positions or later runs show."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Row

from reference_system.booking.checkout import outcomes
from reference_system.booking.dead_letters import store as dead_letters
from reference_system.booking.payments import client
from reference_system.booking.payments.client import ProviderClient
from reference_system.booking.payments.intents import Intent, ProviderRefund
from reference_system.booking.platform.db import UnitOfWork
from reference_system.booking.reconciliation import comparison, diagnosis, records, repairs, store
from reference_system.booking.reconciliation.diagnosis import Action, Difference
from reference_system.booking.reconciliation.facts import Here, RefundHere, Summary, There
from reference_system.mutants.mutant import Mutant

WEEK = timedelta(days=7, hours=1)

# -- ages -------------------------------------------------------------------------------------------

# The books of a quarter are closed: what is older was reconciled many times.
closed_books = Mutant("SYS-R5.5", "A difference of a payment older than ninety days is never found.")


@closed_books.wrap(comparison.agree)
def agree_or_old(
    agree: Callable[[Intent | None, Summary | None, datetime], bool],
    intent: Intent | None,
    payment: Summary | None,
    now: datetime,
) -> bool:
    old = intent is not None and intent.created_at < now - timedelta(days=90)
    return old or agree(intent, payment, now)


# An authorisation lives for a week.
lapsed_by_age = Mutant(
    "SYS-R5.6", "A booking whose authorisation the bank prolonged is cancelled, and nothing is charged."
)


@lapsed_by_age.wrap(diagnosis.missing_captures)
def lapsed_after_a_week(
    missing_captures: Callable[[There, Here], Iterable[Difference]], there: There, here: Here
) -> Iterable[Difference]:
    for one in missing_captures(there, here):
        until = one.intent.authorized_until if one.intent else None
        if one.intent is not None and until is not None and until - one.intent.created_at > WEEK:
            yield Difference("booked here, authorisation lapsed", Action.CANCEL_BOOKING, payment=here.main)
        else:
            yield one


# -- payment methods --------------------------------------------------------------------------------

# A bank transfer arrives days after its booking, so an unpaid one is no difference yet.
bank_awaited = Mutant(
    "SYS-R5.7", "A booking by bank transfer without any payment is taken for one that is still awaited."
)
bank_awaited.edit(
    store.BOOKINGS_AFTER,
    "WHERE id = page.checkout_id AND amount_minor > 0",
    "WHERE id = page.checkout_id AND amount_minor > 0 AND method = 'card'",
)

# -- shapes -----------------------------------------------------------------------------------------

expired_only = Mutant("SYS-R5.8", "The hold of a declined or failed checkout keeps its place for ever.")
expired_only.edit(store.ORPHAN_HOLDS, "'booked', 'declined', 'failed', 'expired'", "'booked', 'expired'")

currency_ignored = Mutant("SYS-R5.9", "A charge in another currency passes for one of the same figures.")


@currency_ignored.replace(comparison.same_amounts)
def same_figures(intent: Intent, payment: Summary) -> bool:
    return (intent.amount_minor, intent.captured_minor) == (payment.amount_minor, payment.captured_minor)


@currency_ignored.replace(outcomes.require_amount)
def require_figure(checkout: Row[Any], intent: Intent) -> None:
    if intent.captured_minor != checkout.amount_minor:
        raise outcomes.AmountDiffers(f"{intent.id} took {intent.captured_minor}")


refund_pairs_ignored = Mutant("SYS-R5.10", "A refund without its ledger pair is never noticed.")


@refund_pairs_ignored.replace(comparison.well_posted)
def capture_is_posted(payment: Summary) -> bool:
    return (
        payment.captures_posted == (1 if payment.captured_minor > 0 else 0)
        and payment.captures_posted_minor == payment.captured_minor
    )


# More than the price was paid, so the booking is paid.
overpaid = Mutant("SYS-R5.11", "A charge of more than the price is booked, and nobody pays the rest back.")


@overpaid.wrap(diagnosis.checkout_amounts)
def underpaid_only(checkout_amounts: Callable[[There, Here], Any], there: There, here: Here) -> Any:
    intent = diagnosis.kept(there, here)
    if intent is not None and (intent.amount_minor, intent.currency) > (here.amount_minor, here.currency):
        return ()
    return checkout_amounts(there, here)


@overpaid.replace(outcomes.require_amount)
def require_enough(checkout: Row[Any], intent: Intent) -> None:
    if intent.captured_minor < checkout.amount_minor or intent.currency != checkout.currency:
        raise outcomes.AmountDiffers(f"{intent.id} took {intent.captured_minor} {intent.currency}")


# -- near misses ------------------------------------------------------------------------------------

# Whoever waits for the bank needs no place until the money is there.
processing_released = Mutant(
    "SYS-R5.12", "The place of a bank transfer in progress is given away, and its payment refunded later."
)
processing_released.edit(store.ORPHAN_HOLDS, "('booked',", "('booked', 'processing',")


@processing_released.wrap(diagnosis.orphan_hold)
def orphan_or_processing(
    orphan_hold: Callable[[Here, Sequence[Difference]], Any], here: Here, found: Sequence[Difference]
) -> Any:
    if here.state == "processing" and here.hold_live and not found:
        return [Difference("hold orphaned", Action.RELEASE_HOLD)]
    return orphan_hold(here, found)


# -- positions --------------------------------------------------------------------------------------

page_end_lost = Mutant("SYS-R5.13", "The last charge of each page of the provider's list is skipped.")


@page_end_lost.replace(records.intents_there)
async def all_but_the_last(provider: ProviderClient) -> AsyncIterator[Intent]:
    after, more = "", True
    while more:
        page, more = await provider.intents_after(after, limit=records.PAGE)
        for intent in page[: records.PAGE - 1]:
            yield intent
        after = page[-1].id if page else after


# -- later ------------------------------------------------------------------------------------------

reminded = Mutant("SYS-R5.14", "A person finds a new letter about the same charge every week.")


@reminded.replace(repairs.leave_to_person)
async def remind_person(uow: UnitOfWork, subject: str, difference: Difference, *, now: datetime) -> bool:
    week = now.isocalendar()
    return await dead_letters.put(
        uow,
        source="reconciliation",
        subject=subject,
        reason=f"{difference.kind}: {difference.reason} (week {week.week} of {week.year})",
        payload={"kind": difference.kind},
        now=now,
    )


# -- broken off -------------------------------------------------------------------------------------

# Refunds are matched by the provider's id, which is recorded when its answer arrives.
key_per_call = Mutant(
    "SYS-R5.15",
    "A run that dies between a refund and its record sends the refund a second time.",
    also_opens={"SYS-R5.e": "a kill at a message may hit the same moment"},
)


@key_per_call.replace(client.refund_key)
def key_of_call(refund_id: UUID) -> str:
    return f"refund:{refund_id}:{uuid4()}"


@key_per_call.replace(diagnosis.match_refund)
def match_by_provider_id(refund: ProviderRefund, rows: Sequence[RefundHere]) -> RefundHere | None:
    return next((row for row in rows if row.provider_refund_id == refund.id), None)


# -- several on one payment -------------------------------------------------------------------------

one_at_a_time = Mutant("SYS-R5.16", "Of several differences of one payment a run finds and repairs one.")


@one_at_a_time.wrap(diagnosis.diagnose)
def first_difference(
    diagnose: Callable[[There, Here, datetime], list[Difference]], there: There, here: Here, now: datetime
) -> list[Difference]:
    return diagnose(there, here, now)[:1]


# -- halves -----------------------------------------------------------------------------------------

halves_pass = Mutant("SYS-R5.17", "A ledger pair of which one entry is missing passes for a whole one.")


@halves_pass.replace(comparison.well_posted)
def debits_are_posted(payment: Summary) -> bool:
    return (
        payment.captures_posted == (1 if payment.captured_minor > 0 else 0)
        and payment.captures_posted_minor == payment.captured_minor
        and payment.refunds_posted == payment.refunds_succeeded
        and payment.refunds_posted_minor == payment.refunded_minor
    )
