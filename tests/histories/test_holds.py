"""The slot model on hand-written histories with holds: a checkout holds a place, is paid, or expires."""

from __future__ import annotations

import pytest

from overbooked.histories import BadHistory, Operation
from tests.histories.test_slot import ILLEGAL, OK, judged
from tests.histories.writing import ok, refused, unknown

HELD = ok("ana", 0, 1, "hold", "c1", slot="A")
OVER = unknown("clock", 10, None, "expire", checkout="c1")
PAID = ok("ana", 11, 12, "pay", "b1", checkout="c1", slot="A")
NOT_PAID = refused("ana", 11, 12, "pay", checkout="c1", slot="A")


def booked(called: float, returned: float, booking: str = "b2") -> Operation:
    return ok("ben", called, returned, "book", booking, slot="A")


def test_a_hold_takes_a_place():
    assert judged(HELD) is OK
    assert judged(HELD, booked(2, 3)) is ILLEGAL
    assert judged(HELD, refused("ben", 2, 3, "book", slot="A")) is OK
    assert judged(booked(0, 1), ok("ana", 2, 3, "hold", "c1", slot="A")) is ILLEGAL
    assert judged(refused("ana", 0, 1, "hold", slot="A")) is ILLEGAL


def test_a_hold_may_end_when_its_time_is_over_and_not_before():
    assert judged(HELD, OVER, booked(11, 12)) is OK
    assert judged(HELD, OVER, refused("ben", 11, 12, "book", slot="A")) is OK
    assert judged(HELD, OVER, booked(8, 9)) is ILLEGAL


def test_a_payment_keeps_the_place_of_the_hold():
    assert judged(HELD, PAID) is OK
    assert judged(HELD, PAID, booked(13, 14)) is ILLEGAL
    assert judged(HELD, NOT_PAID) is ILLEGAL


def test_a_paid_place_does_not_expire():
    assert judged(HELD, OVER, PAID, booked(13, 14)) is ILLEGAL
    assert judged(HELD, OVER, PAID, refused("ben", 13, 14, "book", slot="A")) is OK


def test_a_payment_after_the_end_of_the_hold_needs_a_free_place():
    assert judged(HELD, OVER, PAID) is OK
    assert judged(HELD, OVER, NOT_PAID) is OK
    assert judged(HELD, OVER, booked(10.2, 10.4), NOT_PAID) is OK
    assert judged(HELD, OVER, booked(10.2, 10.4), PAID) is ILLEGAL
    assert judged(HELD, OVER, booked(10.2, 10.4), PAID, A=2) is OK


def test_a_checkout_is_paid_once():
    again = ok("ana", 13, 14, "pay", "b1", checkout="c1", slot="A")
    assert judged(HELD, PAID, again) is OK
    assert judged(HELD, PAID, ok("ana", 13, 14, "pay", "b9", checkout="c1", slot="A"), A=2) is ILLEGAL
    assert judged(HELD, PAID, refused("ana", 13, 14, "pay", checkout="c1", slot="A")) is OK


@pytest.mark.parametrize("at", [13, 11.5], ids=["after", "during"])
def test_a_booking_made_by_a_payment_is_cancelled_and_moved_as_any_other(at: float):
    cancelled = ok("ana", at, 14, "cancel", booking="b1")
    assert judged(HELD, PAID, cancelled, booked(15, 16)) is OK
    assert judged(HELD, PAID, cancelled, booked(15, 16), booked(17, 18, "b3")) is ILLEGAL
    moved = ok("ana", at, 14, "reschedule", booking="b1", to="B")
    assert judged(HELD, PAID, moved, booked(15, 16), A=1, B=1) is OK
    assert judged(HELD, PAID, moved, ok("cem", 15, 16, "book", "b3", slot="B"), A=1, B=1) is ILLEGAL


def test_a_payment_without_an_answer_may_have_kept_the_place_or_not():
    lost = unknown("ana", 11, 12, "pay", checkout="c1", slot="A")
    assert judged(HELD, OVER, lost, booked(13, 14)) is OK
    assert judged(HELD, OVER, lost, refused("ben", 13, 14, "book", slot="A")) is OK


def test_a_payment_of_an_unknown_hold_is_rejected():
    with pytest.raises(BadHistory, match="no operation makes booking c1"):
        judged(PAID)
