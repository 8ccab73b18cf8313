from __future__ import annotations

from dataclasses import replace

import pytest

from overbooked.capabilities.differences import (
    CANCEL,
    NEAR_MISSES,
    PERSON,
    RECORD_AND_CANCEL,
    SEND,
    SHAPES,
    RecordShape,
)
from overbooked.capabilities.durable_state import DurableState
from overbooked.capabilities.reconciliation import DISCREPANCIES, Discrepancy
from overbooked.capabilities.webhooks import DeadLetter
from overbooked.errors import GapFound, HarnessError
from overbooked.oracles.repairs import POLICY, USUAL, dealt_with, frees_its_place, repaired

from .books import PAID, booking, charge, hold, payment, posted

PRICE = 2500
UNBOOKED = DurableState(charges=(charge(),))
LETTER = DeadLetter("d1", "reconciliation", "c1", "amount differs")
REVERSED = (
    posted(reversed_by=None),
    posted("t2", reversed_by="t3"),
    posted("t3", kind="reversal", amount=-PRICE, reverses="t2"),
)
PART_REFUNDED = replace(
    PAID,
    charges=(charge(refunded=1000),),
    payments=(payment(state="partially_refunded", refunded=1000),),
    ledger=(posted(), posted("t2", kind="refund", amount=1000)),
)
# How each kind looks when it is planted, and when it is repaired.
REPAIRS: dict[str, tuple[DurableState, DurableState]] = {
    "captured there, unknown here": (replace(UNBOOKED, holds=(hold(),)), PAID),
    "captured there, unknown here, place taken": (
        replace(UNBOOKED, bookings=(booking("b9", checkout=None),)),
        DurableState(
            bookings=(booking("b9", checkout=None),),
            charges=(charge(refunded=PRICE),),
            payments=(payment(state="refunded", refunded=PRICE),),
            ledger=(posted(), posted("t2", kind="refund")),
        ),
    ),
    "booked here, not captured there": (replace(PAID, charges=(charge(captured=0),)), PAID),
    "booked here, authorisation lapsed": (
        replace(PAID, charges=(charge(captured=0),)),
        DurableState(
            bookings=(booking(status="cancelled"),),
            charges=(charge(captured=0),),
            payments=(payment(state="voided", captured=0),),
            ledger=(posted("t2", reversed_by="t3"), posted("t3", kind="reversal", reverses="t2")),
        ),
    ),
    "refunded there only": (replace(PAID, charges=(charge(refunded=1000),)), PART_REFUNDED),
    "refunded here only": (replace(PART_REFUNDED, charges=(charge(),)), PART_REFUNDED),
    "captured twice there": (
        replace(PAID, charges=(charge(), charge("ch2"))),
        replace(
            PAID,
            charges=(charge(), charge("ch2", refunded=PRICE)),
            payments=(payment(), payment("p2", charge="ch2", state="refunded", refunded=PRICE)),
            ledger=(posted(), posted("t2", charge="ch2"), posted("t3", kind="refund", charge="ch2")),
        ),
    ),
    "recorded twice here": (replace(PAID, ledger=(posted(), posted("t2"))), replace(PAID, ledger=REVERSED)),
    "ledger pair missing": (replace(PAID, ledger=()), PAID),
    "hold orphaned": (DurableState(holds=(hold(),)), DurableState(holds=(hold(live=False),))),
}
KINDS = sorted(REPAIRS)


def planted(kind: str) -> Discrepancy:
    facts = {"slot": "s1", "price_minor": PRICE, "surplus": "ch2"}
    return Discrepancy(kind, "c1", facts if kind == "hold orphaned" else {**facts, "checkout": "c1"})


def test_every_discrepancy_is_repaired_by_a_policy_or_left_to_a_person() -> None:
    assert set(USUAL) == set(DISCREPANCIES)
    assert {*USUAL.values(), *(shape.repair for shape in SHAPES)} <= {*POLICY, PERSON}
    with pytest.raises(HarnessError, match="no policy for 'eclipse'"):
        repaired(planted("eclipse"), PAID, PAID)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_repaired_as_the_policy_says_is_no_gap(kind: str) -> None:
    before, after = REPAIRS[kind]
    dealt_with(planted(kind), before, after)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_left_as_it_was_is_a_gap(kind: str) -> None:
    before, _ = REPAIRS[kind]
    with pytest.raises(GapFound, match=f"^{kind}: ") as gap:
        dealt_with(planted(kind), before, before)
    assert gap.value.details["subject"] == "c1"


@pytest.mark.parametrize("kind", KINDS)
def test_a_person_is_not_troubled_with_what_is_repaired(kind: str) -> None:
    before, after = REPAIRS[kind]
    with pytest.raises(GapFound, match="queued for manual resolution"):
        dealt_with(planted(kind), before, replace(after, dead_letters=(LETTER,)))


def test_what_lies_elsewhere_is_nothing_to_it() -> None:
    stray = booking("b7", checkout="c7")
    elsewhere = replace(
        REPAIRS["hold orphaned"][1],
        bookings=(replace(stray, slot="s7"),),
        holds=(replace(hold("h7"), slot="s7"),),
        charges=(charge("ch7", checkout="c7"),),
        dead_letters=(replace(LETTER, subject="c7"),),
    )
    dealt_with(planted("hold orphaned"), REPAIRS["hold orphaned"][0], elsewhere)


@pytest.mark.parametrize(
    ("kind", "wrong", "word"),
    [
        # repaired twice
        ("refunded here only", replace(PART_REFUNDED, charges=(charge(refunded=2000),)), "money"),
        ("booked here, not captured there", replace(PAID, charges=(charge(captures=2),)), "money"),
        ("recorded twice here", replace(PAID, ledger=()), "in the ledger"),
        ("ledger pair missing", replace(PAID, ledger=(posted(), posted("t2"))), "in the ledger"),
        # the wrong charge refunded
        ("captured twice there", replace(PAID, charges=(charge(refunded=PRICE), charge("ch2"))), "money"),
        ("captured there, unknown here", REPAIRS["captured there, unknown here, place taken"][1], "booking"),
        ("refunded there only", PAID, "money"),
        # half of the repair: without its ledger pair
        ("refunded there only", replace(PART_REFUNDED, ledger=(posted(),)), "take effect"),
        ("captured there, unknown here", replace(PAID, holds=(hold(),)), "hold is left"),
        (
            "captured there, unknown here, place taken",
            replace(PAID, bookings=(booking(), booking("b9", checkout=None))),
            "more bookings than capacity",
        ),
        (
            "booked here, authorisation lapsed",
            replace(
                REPAIRS["booked here, authorisation lapsed"][1],
                payments=(payment("p2", charge="ch9"), payment(state="voided", captured=0)),
            ),
            "unknown to the provider",
        ),
    ],
)
def test_another_end_than_the_policy_wants_is_a_gap(kind: str, wrong: DurableState, word: str) -> None:
    with pytest.raises(GapFound, match=word):
        dealt_with(planted(kind), REPAIRS[kind][0], wrong)


def test_money_on_its_way_back_counts_as_given_back_once() -> None:
    one, (before, after) = planted("refunded here only"), REPAIRS["refunded here only"]
    dealt_with(one, before, replace(after, charges=(charge(pending=1000),)))
    for twice in (charge(pending=2000), charge(refunded=1000, pending=1000)):
        with pytest.raises(GapFound, match="money"):
            dealt_with(one, before, replace(after, charges=(twice,)))


def test_a_charge_that_came_or_went_is_a_gap() -> None:
    before, after = REPAIRS["ledger pair missing"]
    with pytest.raises(GapFound, match="no such charge"):
        dealt_with(planted("ledger pair missing"), before, replace(after, charges=()))
    with pytest.raises(GapFound, match="charge ch2"):
        dealt_with(planted("ledger pair missing"), before, replace(after, charges=(charge(), charge("ch2"))))


def test_what_only_a_person_may_decide_is_reported_and_changes_nothing() -> None:
    one, before = planted("amount differs"), replace(PAID, charges=(charge(captured=2600),))
    dealt_with(one, before, replace(before, dead_letters=(LETTER,)))
    with pytest.raises(GapFound, match="not queued for manual resolution"):
        dealt_with(one, before, before)
    with pytest.raises(GapFound, match="payments changed"):
        dealt_with(one, before, replace(before, payments=(payment(captured=2600),), dead_letters=(LETTER,)))


def test_a_shape_says_its_own_repair() -> None:
    one = replace(planted("booked here, not captured there"), repair=CANCEL, shape="no charge there")
    cancelled = REPAIRS["booked here, authorisation lapsed"][1]
    repaired(one, PAID, cancelled)
    assert frees_its_place(one)
    with pytest.raises(GapFound, match="no charge there: the booking"):
        repaired(one, PAID, PAID)


def test_a_repair_that_keeps_the_booking_as_it_was_may_meet_a_cancelled_one() -> None:
    one = planted("ledger pair missing")
    cancelled = replace(PART_REFUNDED, bookings=(booking(status="cancelled"),))
    repaired(one, cancelled, cancelled)
    with pytest.raises(GapFound, match="the booking is not"):
        repaired(one, PART_REFUNDED, cancelled)


def test_a_refund_of_one_side_is_added_to_those_of_the_other() -> None:
    both = replace(
        PAID,
        charges=(charge(refunded=1300),),
        payments=(payment(state="partially_refunded", refunded=1300),),
        ledger=(
            posted(),
            posted("t2", kind="refund", amount=1000),
            posted("t3", kind="refund", amount=300),
        ),
    )
    before = replace(PART_REFUNDED, charges=(charge(refunded=300),))
    one = planted("refunded here only")
    one = replace(one, repair=SEND, facts={**one.facts, "owed_minor": 1000})
    repaired(one, before, both)
    with pytest.raises(GapFound, match="money"):
        repaired(one, before, replace(both, charges=(charge(refunded=1000),)))


def test_the_place_of_a_booking_that_was_refunded_elsewhere_is_free() -> None:
    one = replace(planted("refunded there only"), repair=RECORD_AND_CANCEL)
    assert frees_its_place(one)
    assert not frees_its_place(planted("amount differs"))


def test_every_shape_has_a_name_of_its_own() -> None:
    every: list[RecordShape] = [*SHAPES, *NEAR_MISSES]
    assert len({shape.name for shape in every}) == len(every)
    assert all(shape.kinds and shape.repair for shape in SHAPES)
    assert not any(shape.kinds or shape.repair for shape in NEAR_MISSES)


def test_a_booking_for_somebody_else_and_a_payment_in_another_currency_are_gaps() -> None:
    one = planted("captured there, unknown here")
    before, after = REPAIRS[one.kind]
    for_ben = replace(one, facts={**one.facts, "customer": "ben"})
    with pytest.raises(GapFound, match="for somebody else"):
        repaired(for_ben, before, after)
    in_dollars = replace(after, payments=tuple(replace(row, currency="USD") for row in after.payments))
    with pytest.raises(GapFound, match="another currency"):
        repaired(one, before, in_dollars)
