"""The ways in which the records of a provider and a service can differ, and the states that look alike.

Data: the axes of reconciliation. A target declares which of these shapes it can plant, and may add its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

# -- what a repair results in -----------------------------------------------------------------------

BOOK = "booking completed"
REFUND = "refunded in full"
CAPTURE = "captured"
CANCEL = "booking cancelled"
RECORD = "refund recorded"
RECORD_AND_CANCEL = "refund recorded, booking cancelled"
SEND = "refund sent"
RETURN = "later charge refunded"
REVERSE = "surplus reversed"
POST = "pair posted"
RELEASE = "hold released"
PERSON = "left to a person"

# -- kinds ------------------------------------------------------------------------------------------

UNKNOWN = "captured there, unknown here"
TAKEN = "captured there, unknown here, place taken"
UNCAPTURED = "booked here, not captured there"
LAPSED = "booked here, authorisation lapsed"
THERE_ONLY = "refunded there only"
HERE_ONLY = "refunded here only"
AMOUNT = "amount differs"
TWICE_THERE = "captured twice there"
TWICE_HERE = "recorded twice here"
NO_PAIR = "ledger pair missing"
ORPHAN = "hold orphaned"
NOT_BOOKED = "recorded here, not captured there"
REFUSED = "declined there, awaited here"

DISCREPANCIES: tuple[str, ...] = (
    UNKNOWN,
    TAKEN,
    UNCAPTURED,
    LAPSED,
    THERE_ONLY,
    HERE_ONLY,
    AMOUNT,
    TWICE_THERE,
    TWICE_HERE,
    NO_PAIR,
    ORPHAN,
)

MINUTE_S, HOUR_S, DAY_S = 60.0, 3_600.0, 86_400.0
# The ages of a record in seconds, by name.
AGES_S: Mapping[str, float] = {
    "minutes": 5 * MINUTE_S,
    "hours": 5 * HOUR_S,
    "days": 4 * DAY_S,
    "a month": 35 * DAY_S,
    "over a year": 400 * DAY_S,
}
ANY_AGE = tuple(AGES_S)
FRESH = ("minutes",)
DAYS = ("minutes", "hours", "days")
CARD = ("card",)
BANK = ("bank",)
METHODS = (*CARD, *BANK)


@dataclass(frozen=True, slots=True)
class RecordShape:
    """One way in which the records about one payment can be.

    Args:
        name: unique.
        kinds: the differences that a run must name; none: a legitimate state, a near miss.
        repair: what the run must do, one of the constants above; "" for a near miss.
        methods: the payment methods that it is possible with.
        ages: the ages that it is possible at, names of AGES_S.
    """

    name: str
    kinds: tuple[str, ...] = ()
    repair: str = ""
    methods: tuple[str, ...] = METHODS
    ages: tuple[str, ...] = ANY_AGE

    @property
    def kind(self) -> str:
        """The first of its kinds; "" for a near miss."""
        return self.kinds[0] if self.kinds else ""


def _of(kind: str, repair: str, *names: str, methods: tuple[str, ...] = METHODS) -> tuple[RecordShape, ...]:
    return tuple(RecordShape(name, (kind,), repair, methods) for name in names)


SHAPES: Sequence[RecordShape] = (
    # The service's rows about a captured charge are missing, empty, or in each state that precedes the
    # booking; the place is free again or still held.
    *_of(
        UNKNOWN,
        BOOK,
        "unknown charge, checkout expired",
        "unknown charge, checkout failed",
        "unknown charge, checkout declined, payment failed",
        "unknown charge, checkout expired, payment created",
        "unknown charge, checkout expired, payment authorised",
        "unknown charge, checkout expired, payment names no charge",
        "unknown charge, checkout open, place held",
        "unknown charge, lease lapsed, place held",
        "unknown charge, lease lapsed, hold expired",
        "payment captured, lease lapsed, place held",
        "payment captured, no booking, place free",
        "checkout booked, no booking, place free",
    ),
    *_of(UNKNOWN, BOOK, "unheard capture, checkout processing, place held", methods=BANK),
    *_of(
        TAKEN,
        REFUND,
        "unknown charge, place booked by another",
        "unknown charge, place held by another",
        "unknown charge, place withdrawn",
        "unknown charge, payment authorised, place booked by another",
        "payment captured, place booked by another",
        "payment captured, booking cancelled, nothing refunded",
    ),
    *_of(
        UNCAPTURED,
        CAPTURE,
        "booked, payment captured, only authorised there",
        "booked, payment authorised, only authorised there",
        "booked, payment created, only authorised there",
        "booked, no payment, only authorised there",
        "booked, authorisation about to lapse",
        "booked, one authorisation lapsed, another alive",
        methods=CARD,
    ),
    *_of(
        UNCAPTURED,
        CANCEL,
        "booked, payment captured, declined there",
        "booked, no payment, declined there",
        "booked, payment captured, no charge there",
        "booked, payment names no charge",
        "booked, no payment, no charge there",
    ),
    *_of(
        LAPSED,
        CANCEL,
        "booked, payment captured, authorisation lapsed",
        "booked, payment authorised, authorisation lapsed",
        "booked, no payment, authorisation lapsed",
        "booked, payment captured, authorisation cancelled there",
        "booked, no payment, authorisation cancelled there",
        methods=CARD,
    ),
    *_of(
        THERE_ONLY,
        RECORD,
        "part refunded there, unknown here",
        "part refunded there in two, unknown here",
        "part refunded there, pending here",
        "part refunded there, sent here",
        "part refunded there, failed here",
        "one part refunded on both sides, another there only",
        "all refunded there, booking cancelled, refund sent here",
        "all refunded there, booking cancelled, refund pending here",
    ),
    *_of(THERE_ONLY, RECORD_AND_CANCEL, "all refunded there, unknown here"),
    *_of(
        HERE_ONLY,
        SEND,
        "part refunded here, never sent",
        "part refunded here, sent to no one",
        "part refund owed here, never sent",
        "one part refunded on both sides, another here only",
        "all refunded here, booking cancelled, never sent",
        "all owed here, booking cancelled, never sent",
        "all refunded here, sent to no one, booking cancelled",
        "surplus refunded here, never sent",
    ),
    *_of(HERE_ONLY, PERSON, "part refunded here, failed there"),
    *_of(
        AMOUNT,
        PERSON,
        "charge of less there",
        "charge of more there",
        "captured less there",
        "captured by a cent less there",
        "captured twice in one charge",
        "charge in another currency there",
        "payment in another currency here",
        "unknown charge of another amount",
        "unknown charge in another currency",
        "unknown charge of another amount, place held",
        "unknown charge in another currency, place held",
        "payment captured, place held, charge of more there",
        "charge of less there, booking cancelled",
        "charge of less there, hold live",
        "charge of less there, capture not posted",
        "charge of less there, part refunded there, unknown here",
        "payment captured, booking missing, charge of more there",
        "refund of less there",
        "refund of more there",
        "refund pending of less there",
        "payment counts less than was refunded",
        "ledger capture of less",
        "ledger capture of more",
        "ledger capture in another currency",
        "ledger refund of less",
        "ledger refund in another currency",
    ),
    *_of(
        AMOUNT,
        PERSON,
        "booked, authorised for another amount",
        "booked, authorised in another currency",
        methods=CARD,
    ),
    *_of(UNKNOWN, PERSON, "charge of no checkout", "charge of an unknown checkout", "charge voided here"),
    *_of(AMOUNT, PERSON, "unheard capture of another amount, place held", methods=BANK),
    *_of(UNCAPTURED, PERSON, "booked, awaited there", methods=BANK),
    *_of(UNCAPTURED, PERSON, "booked, partly refunded, no charge there"),
    *_of(NOT_BOOKED, PERSON, "payment captured, no booking, no charge there"),
    *_of(
        TWICE_THERE,
        RETURN,
        "second charge unknown",
        "second charge created here",
        "second charge captured here, not refunded",
        "second charge partly refunded",
        "two further charges unknown",
    ),
    *_of(
        TWICE_HERE,
        REVERSE,
        "capture posted twice",
        "capture posted three times",
        "refund posted twice",
        "payment recorded twice",
    ),
    *_of(
        NO_PAIR,
        POST,
        "capture not posted",
        "capture posted by half, no credit",
        "capture posted by half, no debit",
        "capture posted without entries",
        "refund not posted",
        "refund posted by half, no credit",
        "refund posted by half, no debit",
        "capture of a refunded payment not posted",
        "last of two refunds not posted",
        "refund of a cancelled booking not posted",
        "capture of a surplus charge not posted",
        "refund of a surplus charge not posted",
    ),
    *_of(
        ORPHAN,
        RELEASE,
        "hold of no checkout",
        "hold of no checkout, not expired",
        "hold of an expired checkout",
        "hold of an expired checkout, not expired",
        "hold of a failed checkout",
        "hold of a declined checkout",
        "hold of a booked checkout, booking cancelled",
    ),
    *_of(REFUSED, RELEASE, "declined there, processing here", methods=BANK),
    # Several differences of one payment.
    RecordShape("two charges, both unknown", (TWICE_THERE, UNKNOWN), RETURN),
    RecordShape("part refunded there, capture not posted", (THERE_ONLY, NO_PAIR), RECORD),
    RecordShape("part refunded here, another part there", (THERE_ONLY, HERE_ONLY), SEND),
    RecordShape("capture posted twice, part refunded here", (HERE_ONLY, TWICE_HERE), SEND),
    RecordShape("second charge unknown, capture not posted", (TWICE_THERE, NO_PAIR), RETURN),
    RecordShape("booked, its hold live, capture not posted", (NO_PAIR, ORPHAN), POST),
)

NEAR_MISSES: Sequence[RecordShape] = (
    RecordShape("paid and booked"),
    RecordShape("paid, booked and moved to another slot"),
    RecordShape("place held, nothing paid", ages=FRESH),
    RecordShape("place held, hold about to be expired by its job", ages=FRESH),
    RecordShape("being paid, nothing there yet", ages=FRESH),
    RecordShape("being paid, authorised", methods=CARD, ages=FRESH),
    RecordShape("being paid, captured", ages=FRESH),
    RecordShape("bank transfer processing", methods=BANK, ages=DAYS),
    RecordShape("refund pending there", ages=DAYS),
    RecordShape("part refund pending there", ages=DAYS),
    RecordShape("refunded and cancelled"),
    RecordShape("refunded in two and cancelled"),
    RecordShape("partly refunded"),
    RecordShape("refund made by hand and recorded"),
    RecordShape("refund failed and recorded"),
    RecordShape("second charge refunded"),
    RecordShape("second charge, refund pending there", ages=DAYS),
    RecordShape("place lost, refunded"),
    RecordShape("free of charge", methods=CARD),
    RecordShape("free of charge, cancelled", methods=CARD),
    RecordShape("booked without checkout", methods=CARD),
    RecordShape("declined"),
    RecordShape("declined, then paid"),
    RecordShape("expired, hold released"),
    RecordShape("expired, authorisation lapsed", methods=CARD),
    RecordShape("place lost, authorisation cancelled", methods=CARD),
    RecordShape("written off, booking cancelled", methods=CARD),
    RecordShape("capture posted twice, one reversed"),
)
