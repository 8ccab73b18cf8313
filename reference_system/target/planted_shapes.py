"""Which records make which shape of difference."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from uuid import uuid4

from overbooked.capabilities.differences import HOUR_S, MINUTE_S
from reference_system.target import planted_differences as made
from reference_system.target.planted_differences import ALL, LESS, MORE, OTHER_CURRENCY, PART, Make

_p = partial

MAKERS: Mapping[str, Make] = {
    "unknown charge, checkout expired": _p(made.unknown, state="expired"),
    "unknown charge, checkout failed": _p(made.unknown, state="failed"),
    "unknown charge, checkout declined, payment failed": _p(made.unknown, state="declined", payment="failed"),
    "unknown charge, checkout expired, payment created": _p(made.unknown, state="expired", payment="created"),
    "unknown charge, checkout expired, payment authorised": _p(
        made.unknown, state="expired", payment="authorized"
    ),
    "unknown charge, checkout expired, payment names no charge": _p(
        made.unknown, state="expired", payment="created", named=False
    ),
    "unknown charge, checkout open, place held": _p(made.unknown_and_held, state="open", hold_s=5 * MINUTE_S),
    "unknown charge, lease lapsed, place held": _p(
        made.unknown_and_held, state="paying", hold_s=5 * MINUTE_S
    ),
    "unknown charge, lease lapsed, hold expired": _p(made.unknown_and_held, state="paying"),
    "unheard capture, checkout processing, place held": _p(
        made.unknown_and_held, state="processing", payment="created"
    ),
    "payment captured, lease lapsed, place held": made.captured_and_held,
    "payment captured, no booking, place free": made.unbooked,
    "checkout booked, no booking, place free": _p(made.unbooked, state="booked"),
    "unknown charge, place booked by another": _p(made.unknown, state="expired", taken_by="booking"),
    "unknown charge, place held by another": _p(made.unknown, state="expired", taken_by="hold"),
    "unknown charge, place withdrawn": _p(made.unknown, state="expired", taken_by="withdrawal"),
    "unknown charge, payment authorised, place booked by another": _p(
        made.unknown, state="failed", payment="authorized", taken_by="booking"
    ),
    "payment captured, place booked by another": _p(made.unbooked, taken_by="booking"),
    "payment captured, booking cancelled, nothing refunded": made.cancelled_unrefunded,
    "booked, payment captured, only authorised there": _p(made.uncaptured, status="requires_capture"),
    "booked, payment authorised, only authorised there": _p(
        made.uncaptured, status="requires_capture", payment="authorized"
    ),
    "booked, payment created, only authorised there": _p(
        made.uncaptured, status="requires_capture", payment="created"
    ),
    "booked, no payment, only authorised there": _p(made.uncaptured, status="requires_capture", payment=""),
    "booked, authorisation about to lapse": _p(
        made.uncaptured, status="requires_capture", until_s=30 * MINUTE_S
    ),
    "booked, one authorisation lapsed, another alive": made.two_authorisations,
    "booked, payment captured, declined there": _p(made.uncaptured, status="declined"),
    "booked, no payment, declined there": _p(made.uncaptured, status="declined", payment=""),
    "booked, payment captured, no charge there": made.no_charge,
    "booked, payment names no charge": _p(made.no_charge, named=False),
    "booked, no payment, no charge there": _p(made.no_charge, payment=False),
    "booked, payment captured, authorisation lapsed": _p(
        made.uncaptured, status="requires_capture", until_s=-MINUTE_S
    ),
    "booked, payment authorised, authorisation lapsed": _p(
        made.uncaptured, status="requires_capture", until_s=-HOUR_S, payment="authorized"
    ),
    "booked, no payment, authorisation lapsed": _p(
        made.uncaptured, status="requires_capture", until_s=-HOUR_S, payment=""
    ),
    "booked, payment captured, authorisation cancelled there": _p(made.uncaptured, status="canceled"),
    "booked, no payment, authorisation cancelled there": _p(made.uncaptured, status="canceled", payment=""),
    "booked, awaited there": _p(made.uncaptured, status="processing"),
    "booked, partly refunded, no charge there": _p(made.no_charge, part=PART),
    "payment captured, no booking, no charge there": made.captured_of_nothing,
    "part refunded there, unknown here": lambda sale: made.refunded_there(sale, PART),
    "part refunded there in two, unknown here": lambda sale: made.refunded_there(sale, PART, 300),
    "part refunded there, pending here": lambda sale: made.refunded_there(sale, PART, here="pending"),
    "part refunded there, sent here": lambda sale: made.refunded_there(sale, PART, here="sent"),
    "part refunded there, failed here": lambda sale: made.refunded_there(sale, PART, here="failed"),
    "one part refunded on both sides, another there only": made.one_more_there,
    "all refunded there, unknown here": lambda sale: made.refunded_there(sale, ALL),
    "all refunded there, booking cancelled, refund sent here": _p(made.all_there, here="sent"),
    "all refunded there, booking cancelled, refund pending here": _p(made.all_there, here="pending"),
    "part refunded here, never sent": _p(made.refunded_here, minor=PART),
    "part refunded here, sent to no one": _p(made.refunded_here, minor=PART, state="sent", to_no_one=True),
    "part refund owed here, never sent": _p(made.refunded_here, minor=PART, state="pending"),
    "one part refunded on both sides, another here only": made.one_more_here,
    "all refunded here, booking cancelled, never sent": _p(made.refunded_here, minor=ALL, cancelled=True),
    "all owed here, booking cancelled, never sent": _p(
        made.refunded_here, minor=ALL, state="pending", cancelled=True
    ),
    "all refunded here, sent to no one, booking cancelled": _p(
        made.refunded_here, minor=ALL, to_no_one=True, cancelled=True
    ),
    "surplus refunded here, never sent": made.surplus_unsent,
    "part refunded here, failed there": made.failed_there,
    "charge of less there": _p(made.charged_otherwise, amount=LESS, captured=LESS),
    "charge of more there": _p(made.charged_otherwise, amount=MORE, captured=MORE),
    "captured less there": _p(made.charged_otherwise, captured=LESS),
    "captured by a cent less there": _p(made.charged_otherwise, amount=ALL - 1, captured=ALL - 1),
    "captured twice in one charge": _p(made.charged_otherwise, captured=2 * ALL, captures=2),
    "charge in another currency there": _p(made.charged_otherwise, currency=OTHER_CURRENCY),
    "payment in another currency here": _p(made.paid_otherwise, currency=OTHER_CURRENCY),
    "unknown charge of another amount": _p(made.unknown_otherwise, amount=MORE, captured=MORE),
    "unknown charge in another currency": _p(made.unknown_otherwise, currency=OTHER_CURRENCY),
    "unknown charge of another amount, place held": _p(
        made.held_otherwise, state="paying", amount=MORE, captured=MORE
    ),
    "unknown charge in another currency, place held": _p(
        made.held_otherwise, state="open", currency=OTHER_CURRENCY
    ),
    "unheard capture of another amount, place held": _p(
        made.held_otherwise, state="processing", payment="created", amount=LESS, captured=LESS
    ),
    "payment captured, place held, charge of more there": _p(
        made.held_otherwise, state="paying", payment="captured", amount=MORE, captured=MORE
    ),
    "charge of less there, booking cancelled": _p(
        made.less_and, change=lambda sale: setattr(sale, "booking", "cancelled")
    ),
    "charge of less there, hold live": _p(made.less_and, change=made.hold_again),
    "charge of less there, capture not posted": _p(made.less_and, change=lambda sale: sale.postings.clear()),
    "charge of less there, part refunded there, unknown here": _p(
        made.less_and, change=made.refund_first_there
    ),
    "payment captured, booking missing, charge of more there": made.unbooked_of_more,
    "refund of less there": _p(made.refund_otherwise, there=PART - 100),
    "refund of more there": _p(made.refund_otherwise, there=PART + 100),
    "refund pending of less there": _p(made.refund_otherwise, there=PART - 100, status="pending"),
    "payment counts less than was refunded": made.miscounted,
    "ledger capture of less": _p(made.posted_otherwise, kind="capture", minor=LESS),
    "ledger capture of more": _p(made.posted_otherwise, kind="capture", minor=MORE),
    "ledger capture in another currency": _p(
        made.posted_otherwise, kind="capture", minor=ALL, currency=OTHER_CURRENCY
    ),
    "ledger refund of less": _p(made.posted_otherwise, kind="refund", minor=PART - 100),
    "ledger refund in another currency": _p(
        made.posted_otherwise, kind="refund", minor=PART, currency=OTHER_CURRENCY
    ),
    "booked, authorised for another amount": _p(
        made.uncaptured, status="requires_capture", amount=MORE, payment=""
    ),
    "booked, authorised in another currency": _p(
        made.uncaptured, status="requires_capture", currency=OTHER_CURRENCY, payment=""
    ),
    "charge of no checkout": _p(made.stray, checkout=None),
    "charge of an unknown checkout": lambda sale: made.stray(sale, str(uuid4())),
    "charge voided here": made.voided_here,
    "second charge unknown": made.second_charge,
    "second charge created here": _p(made.second_charge, here="created"),
    "second charge captured here, not refunded": _p(made.second_charge, here="captured"),
    "second charge partly refunded": _p(made.second_charge, here="captured", part=PART),
    "two further charges unknown": _p(made.second_charge, further=2),
    "capture posted twice": made.posted_again,
    "capture posted three times": _p(made.posted_again, times=2),
    "refund posted twice": made.refund_posted_again,
    "payment recorded twice": made.recorded_again,
    "capture not posted": _p(made.unposted, kind="capture"),
    "capture posted by half, no credit": _p(made.unposted, kind="capture", keep=lambda minor: minor > 0),
    "capture posted by half, no debit": _p(made.unposted, kind="capture", keep=lambda minor: minor < 0),
    "capture posted without entries": _p(made.unposted, kind="capture", keep=lambda minor: False),
    "refund not posted": _p(made.unposted, kind="refund"),
    "refund posted by half, no credit": _p(made.unposted, kind="refund", keep=lambda minor: minor > 0),
    "refund posted by half, no debit": _p(made.unposted, kind="refund", keep=lambda minor: minor < 0),
    "capture of a refunded payment not posted": lambda sale: made.unposted_after_refunds(
        sale, "capture", ALL, cancelled=True
    ),
    "last of two refunds not posted": lambda sale: made.unposted_after_refunds(sale, "refund", PART, 300),
    "refund of a cancelled booking not posted": lambda sale: made.unposted_after_refunds(
        sale, "refund", ALL, cancelled=True
    ),
    "capture of a surplus charge not posted": _p(made.unposted_surplus, kind="capture"),
    "refund of a surplus charge not posted": _p(made.unposted_surplus, kind="refund"),
    "hold of no checkout": made.orphan,
    "hold of no checkout, not expired": _p(made.orphan, hold_s=HOUR_S),
    "hold of an expired checkout": _p(made.orphan, state="expired"),
    "hold of an expired checkout, not expired": _p(made.orphan, state="expired", hold_s=HOUR_S),
    "hold of a failed checkout": _p(made.orphan, state="failed"),
    "hold of a declined checkout": _p(made.orphan, state="declined"),
    "hold of a booked checkout, booking cancelled": _p(made.orphan, state="booked"),
    "declined there, processing here": made.declined_there,
    "two charges, both unknown": made.both_unknown,
    "part refunded there, capture not posted": lambda sale: made.without_capture_pair(
        sale, lambda one: made.refunded_there(one, PART)
    ),
    "part refunded here, another part there": made.here_and_there,
    "capture posted twice, part refunded here": made.twice_posted_and_refunded_here,
    "second charge unknown, capture not posted": _p(made.without_capture_pair, make=made.second_charge),
    "booked, its hold live, capture not posted": made.booked_and_held,
}
