"""The differences between the two sides of one checkout, and the policy for each.

Pure functions from facts to differences. "There" is the provider, "here" the service. The kinds:

    captured there, unknown here      complete the booking if its place is free or held, else refund
    booked here, not captured there   capture while the authorisation lives, else cancel the booking
    booked here, authorisation lapsed cancel the booking, free its place
    refunded there only               record it here, with its ledger pair
    refunded here only                send it to the provider
    captured twice there              refund the later one
    recorded twice here               reverse the surplus, write a surplus payment off
    ledger pair missing               post it, or the entry that it lacks
    hold orphaned                     release it
    amount differs, and any other difference: leave it to a person, change nothing
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from reference_system.booking.payments.intents import Intent, ProviderRefund
from reference_system.booking.reconciliation.facts import Here, PaymentHere, Posting, RefundHere, There

FINAL = frozenset({"booked", "declined", "failed", "expired"})


class Action(StrEnum):
    """The repair of a difference; findings use these names."""

    COMPLETE = "booked"
    REFUND = "refunded"
    CAPTURE = "captured"
    CANCEL_BOOKING = "booking cancelled"
    DECLINE = "ended"
    RECORD_REFUND = "recorded"
    SEND_REFUND = "sent to the provider"
    RETURN_SURPLUS = "surplus refunded"
    REVERSE = "surplus reversed"
    POST_CAPTURE = "capture posted"
    POST_REFUND = "refund posted"
    COMPLETE_PAIR = "pair completed"
    WRITE_OFF = "surplus payment written off"
    RELEASE_HOLD = "released"
    DEAD_LETTER = "dead-lettered"


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference, its repair, and the record to repair."""

    kind: str
    action: Action
    reason: str = ""
    intent: Intent | None = None
    payment: PaymentHere | None = None
    there: ProviderRefund | None = None
    refund: RefundHere | None = None
    posting: Posting | None = None


def diagnose(there: There, here: Here, now: datetime) -> list[Difference]:
    """Return every difference about a checkout, in the order of repair.

    A difference that a person must decide is returned alone: until then the checkout is not changed.
    """
    if here.is_in_hand(now):
        return []
    differing = amounts(there, here)
    if differing:
        return differing
    found = [
        *second_captures(there, here),
        *unknown_captures(there, here),
        *missing_captures(there, here),
        *unheard_refusals(there, here),
        *second_records(there, here),
    ]
    # Cancelling a booking and writing a payment off reverse the payment's postings: these are not compared.
    written_off = [one.payment for one in found if one.action in (Action.CANCEL_BOOKING, Action.WRITE_OFF)]
    if all(one.action is not Action.CANCEL_BOOKING for one in found):
        found += [*refunds(there, here), *postings(here, written_off)]
    undecided = [one for one in found if one.action is Action.DEAD_LETTER]
    return undecided or [*found, *orphan_hold(here, found)]


# -- captures ---------------------------------------------------------------------------------------


def kept(there: There, here: Here) -> Intent | None:
    """Return the captured intent that pays for the checkout: the recorded one, else the earliest."""
    if here.main is not None:
        on_books = there.intent(here.main.intent_id)
        return on_books if on_books is not None and on_books.is_captured else None
    return there.captured[0] if there.captured else None


def second_captures(there: There, here: Here) -> Iterable[Difference]:
    """Yield further charges of a checkout that is paid already."""
    paying = kept(there, here)
    if paying is None and here.main is None:
        return
    for intent in there.captured:
        if paying is not None and intent.id == paying.id:
            continue
        payment = here.payment(intent.id)
        if payment is None or payment.captured_minor == 0 or not is_going_back(payment, here):
            yield Difference("captured twice there", Action.RETURN_SURPLUS, intent=intent)


def unknown_captures(there: There, here: Here) -> Iterable[Difference]:
    """Yield a captured intent without a booking or a record here."""
    paying = kept(there, here)
    if paying is None:
        return
    if here.main is not None:
        if here.is_booked or is_going_back(here.main, here):
            return
        if here.main.id in here.unrefundable:
            yield _for_a_person("captured there, unknown here", f"a refund of {paying.id} has failed")
            return
    else:
        payment = here.payment(paying.id)
        if payment is not None and payment.state == "voided":
            yield _for_a_person("captured there, unknown here", f"{paying.id} was voided here")
            return
    yield Difference("captured there, unknown here", Action.COMPLETE, intent=paying, payment=here.main)


def missing_captures(there: There, here: Here) -> Iterable[Difference]:
    """Yield a booking or a recorded capture here without a captured intent there."""
    if kept(there, here) is not None or not (here.is_booked or here.main is not None):
        return
    if here.amount_minor == 0 and here.main is None:
        return  # the checkout costs nothing
    intent = there.intent(here.main.intent_id) if here.main is not None else capturable(there)
    status = intent.status if intent is not None else "missing"
    if not here.is_booked:
        yield _for_a_person("recorded here, not captured there", f"the payment is {status} there")
    elif here.main is not None and here.refunds_of(here.main):
        yield _for_a_person("booked here, not captured there", "there are refunds of it on record")
    elif status == "requires_capture":
        yield Difference("booked here, not captured there", Action.CAPTURE, intent=intent)
    elif status == "processing":
        yield _for_a_person("booked here, not captured there", "the bank has yet to pay")
    elif status == "canceled":
        yield Difference("booked here, authorisation lapsed", Action.CANCEL_BOOKING, payment=here.main)
    else:
        yield Difference("booked here, not captured there", Action.CANCEL_BOOKING, payment=here.main)


def unheard_refusals(there: There, here: Here) -> Iterable[Difference]:
    """Yield a declined payment there that is still awaited here."""
    if here.state == "processing" and there.intents and kept(there, here) is None:
        last = there.intents[-1]
        if last.status in ("declined", "canceled"):
            yield Difference("declined there, awaited here", Action.DECLINE, intent=last)


def second_records(there: There, here: Here) -> Iterable[Difference]:
    """Yield a second payment on record here whose charge the provider does not have."""
    for payment in here.payments:
        if not payment.surplus or payment.captured_minor == 0 or there.intent(payment.intent_id) is not None:
            continue
        if here.refunds_of(payment):
            yield _for_a_person("recorded twice here", "there are refunds of a charge that is missing there")
        else:
            yield Difference("recorded twice here", Action.WRITE_OFF, payment=payment)


def capturable(there: There) -> Intent | None:
    """Return the intent to capture for an unpaid booking: an authorised one, else the latest."""
    authorised = [intent for intent in there.intents if intent.status == "requires_capture"]
    return next(iter(authorised or there.intents[-1:]), None)


def is_going_back(payment: PaymentHere, here: Here) -> bool:
    """Whether refunds cover all of a payment, pending ones included."""
    return sum(refund.amount_minor for refund in here.refunds_of(payment)) >= payment.captured_minor


# -- refunds ----------------------------------------------------------------------------------------


def refunds(there: There, here: Here) -> Iterable[Difference]:
    """Yield refunds that one side lacks, or whose state differs."""
    for payment, intent in captured_on_both(there, here):
        matched: set[object] = set()
        for refund in there.refunds.get(intent.id, ()):
            row = match_refund(refund, here.refunds_of(payment))
            matched |= {row.id} if row is not None else set()
            if refund.status == "failed" and row is not None and row.state == "succeeded":
                yield _for_a_person("refunded here only", f"refund {row.id} failed there")
            elif refund.status == "failed" and row is not None:
                yield Difference("refund failed there", Action.RECORD_REFUND, payment=payment, there=refund)
            elif is_news(refund, row):
                yield Difference("refunded there only", Action.RECORD_REFUND, payment=payment, there=refund)
        for row in here.refunds_of(payment):
            if row.id in matched:
                continue
            if row.amount_minor > intent.left_minor:
                yield _for_a_person(
                    "refunded here only", f"refund {row.id}: the provider has less left of {intent.id}"
                )
            else:
                yield Difference("refunded here only", Action.SEND_REFUND, payment=payment, refund=row)


def captured_on_both(there: There, here: Here) -> Iterable[tuple[PaymentHere, Intent]]:
    for payment in here.payments:
        intent = there.intent(payment.intent_id)
        if payment.captured_minor > 0 and intent is not None and intent.is_captured:
            yield payment, intent


def is_news(refund: ProviderRefund, row: RefundHere | None) -> bool:
    """Whether a refund has a later state there than here."""
    if refund.status == "succeeded":
        return row is None or row.state != "succeeded"
    return refund.status == "pending" and (row is None or row.state == "pending")


def match_refund(refund: ProviderRefund, rows: Sequence[RefundHere]) -> RefundHere | None:
    """Return the row of a provider's refund, by its id there or by our id in its metadata."""
    return next(
        (row for row in rows if row.provider_refund_id == refund.id),
        next((row for row in rows if row.id == refund.refund_id), None),
    )


# -- the ledger -------------------------------------------------------------------------------------


def postings(here: Here, written_off: Sequence[PaymentHere | None] = ()) -> Iterable[Difference]:
    """Yield ledger pairs that are missing, lack an entry or exist twice."""
    for payment in here.payments:
        if payment.captured_minor == 0 or payment in written_off:
            continue
        captures = here.postings_of(payment, "capture")
        if not captures:
            yield Difference("ledger pair missing", Action.POST_CAPTURE, payment=payment)
        for surplus in surplus_captures(captures, payment):
            yield Difference("recorded twice here", Action.REVERSE, posting=surplus)
        yield from partial_pairs(payment, here)
        succeeded = [refund for refund in here.refunds_of(payment) if refund.state == "succeeded"]
        unposted, spare = pair_refunds(succeeded, here.postings_of(payment, "refund"))
        for refund in unposted:
            yield Difference("ledger pair missing", Action.POST_REFUND, payment=payment, refund=refund)
        for posting in spare:
            yield Difference("recorded twice here", Action.REVERSE, posting=posting)


def partial_pairs(payment: PaymentHere, here: Here) -> Iterable[Difference]:
    """Yield ledger pairs that lack an entry, with the refund that they post, if any."""
    by_id = {str(refund.id): refund for refund in here.refunds_of(payment)}
    for posting in [*here.postings_of(payment, "capture"), *here.postings_of(payment, "refund")]:
        if posting.is_partial and (posting.kind == "capture" or posting.reference in by_id):
            yield Difference(
                "ledger pair missing",
                Action.COMPLETE_PAIR,
                payment=payment,
                posting=posting,
                refund=by_id.get(posting.reference),
            )


def surplus_captures(captures: Sequence[Posting], payment: PaymentHere) -> list[Posting]:
    """Return all postings but one: the one with the regular reference, else the earliest."""
    ordered = sorted(captures, key=lambda posting: posting.reference != payment.intent_id)
    return ordered[1:]


def pair_refunds(
    refunds_here: Sequence[RefundHere], posted: Sequence[Posting]
) -> tuple[list[RefundHere], list[Posting]]:
    """Return refunds without a pair and pairs without a refund, matched by reference and then by amount."""
    by_reference = {posting.reference: posting for posting in posted}
    unposted = [refund for refund in refunds_here if str(refund.id) not in by_reference]
    own = {str(refund.id) for refund in refunds_here}
    spare = [posting for posting in posted if posting.reference not in own]
    for refund in list(unposted):
        fitting = next((p for p in spare if p.amount_minor == refund.amount_minor), None)
        if fitting is not None:
            unposted.remove(refund)
            spare.remove(fitting)
    return unposted, spare


# -- holds ------------------------------------------------------------------------------------------


def orphan_hold(here: Here, found: Sequence[Difference]) -> Iterable[Difference]:
    """Yield a live hold of a checkout that has ended, unless a completed booking is about to use it."""
    uses_it = any(one.action is Action.COMPLETE for one in found)
    if here.hold_live and not uses_it and (here.state in FINAL or here.booking_id is not None):
        yield Difference("hold orphaned", Action.RELEASE_HOLD)


# -- amounts ----------------------------------------------------------------------------------------


def amounts(there: There, here: Here) -> list[Difference]:
    """Return amounts that differ although they should be equal: a person must decide which is right."""
    reasons = [
        *(reason for pair in captured_on_both(there, here) for reason in payment_amounts(*pair)),
        *checkout_amounts(there, here),
        *refund_amounts(there, here),
        *book_amounts(here),
    ]
    if not reasons:
        return []
    intent = kept(there, here) or capturable(there)
    return [
        Difference("amount differs", Action.DEAD_LETTER, "; ".join(reasons), intent=intent, payment=here.main)
    ]


def payment_amounts(payment: PaymentHere, intent: Intent) -> Iterable[str]:
    ours = f"{payment.captured_minor} of {payment.amount_minor} {payment.currency}"
    theirs = f"{intent.captured_minor} of {intent.amount_minor} {intent.currency}"
    if ours != theirs:
        yield f"{intent.id}: captured {theirs} there, {ours} here"


def checkout_amounts(there: There, here: Here) -> Iterable[str]:
    """Yield differences between the checkout's amount and the intent that will pay for it."""
    if here.main is not None:
        return
    intent = kept(there, here) or (capturable(there) if here.is_booked else None)
    if intent is not None and (intent.amount_minor, intent.currency) != (here.amount_minor, here.currency):
        theirs = f"{intent.amount_minor} {intent.currency}"
        yield f"{intent.id}: {theirs} there, the checkout is for {here.amount_minor} {here.currency}"
    elif intent is not None and intent.is_captured and intent.captured_minor != here.amount_minor:
        yield f"{intent.id}: captured {intent.captured_minor} there, the checkout is for {here.amount_minor}"


def refund_amounts(there: There, here: Here) -> Iterable[str]:
    for payment, intent in captured_on_both(there, here):
        for refund in there.refunds.get(intent.id, ()):
            row = match_refund(refund, here.refunds_of(payment))
            if row is not None and row.amount_minor != refund.amount_minor:
                yield f"{refund.id}: refunded {refund.amount_minor} there, {row.amount_minor} here"


def book_amounts(here: Here) -> Iterable[str]:
    for payment in here.payments:
        succeeded_minor = sum(r.amount_minor for r in here.refunds_of(payment) if r.state == "succeeded")
        if succeeded_minor != payment.refunded_minor:
            yield f"{payment.intent_id}: {payment.refunded_minor} refunded, in refunds {succeeded_minor}"
        for posting in here.postings_of(payment, "capture"):
            if payment.captured_minor > 0:
                yield from posted_amount(payment, posting, payment.captured_minor)
        for posting in here.postings_of(payment, "refund"):
            refund = next((r for r in here.refunds_of(payment) if posting.reference == str(r.id)), None)
            yield from posted_amount(payment, posting, refund.amount_minor if refund else None)


def posted_amount(payment: PaymentHere, posting: Posting, amount_minor: int | None) -> Iterable[str]:
    """Yield how a ledger pair differs from what it records; a missing entry can be added.

    `amount_minor`: the amount; None: unknown.
    """
    if posting.entries == 0:
        return
    if amount_minor is not None and posting.amount_minor != amount_minor:
        yield f"{payment.intent_id}: {amount_minor} as {posting.kind}, posted {posting.amount_minor}"
    elif posting.currency != payment.currency:
        yield f"{payment.intent_id}: {posting.kind} in {payment.currency}, posted in {posting.currency}"
    elif posting.entries > 2 or (posting.entries == 2 and posting.balance_minor != 0):
        yield f"{payment.intent_id}: its {posting.kind} is posted in entries that are no pair"


def _for_a_person(kind: str, reason: str) -> Difference:
    return Difference(kind, Action.DEAD_LETTER, reason)
