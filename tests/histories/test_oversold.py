"""The sweep reports certain double bookings only."""

from __future__ import annotations

import pytest

from overbooked.histories import Operation, Oversold, oversold
from tests.histories.writing import history, ok, refused, unknown


def swept(
    *operations: Operation, old: dict[str, str] | None = None, **capacities: int
) -> tuple[Oversold, ...]:
    return oversold(history(*operations), capacities or {"A": 1}, old)


def book(actor: str, at: float, slot: str = "A", booking: str = "") -> Operation:
    return ok(actor, at, at + 0.5, "book", booking or f"of {actor}", slot=slot)


def test_a_slot_within_capacity_is_not_reported():
    assert swept(book("ana", 1), refused("ben", 2, 3, "book", slot="A")) == ()
    assert swept(book("ana", 1), book("ben", 2), A=2) == ()


def test_one_booking_too_many_is_reported_with_those_who_hold_the_places():
    ana, ben = book("ana", 1), book("ben", 2)
    (found,) = swept(ana, ben)
    assert (found.slot, found.capacity, found.held, found.at) == ("A", 1, 2, 2.5)
    assert found.operations == (ana, ben)


def test_slots_are_reported_one_by_one():
    found = swept(*(book(f"{slot}{n}", n, slot) for slot in "AB" for n in (1, 2)), A=1, B=1, C=1)
    assert [each.slot for each in found] == ["A", "B"]


def test_bookings_of_before_hold_places():
    (found,) = swept(book("ana", 1), old={"b0": "A"})
    assert (found.held, found.already, len(found.operations)) == (2, 1, 1)
    assert swept(book("ana", 1), old={"b0": "Z"}) == ()


@pytest.mark.parametrize("end", [ok, unknown, refused])
def test_a_booking_holds_its_place_until_somebody_asked_to_end_it(end):  # type: ignore[no-untyped-def]
    ana, cancel = book("ana", 1), end("ana", 2, 9, "cancel", booking="of ana")
    ended = end is not refused
    assert bool(swept(ana, cancel, book("ben", 3))) is not ended
    assert swept(ana, ok("ben", 1.6, 1.9, "book", "b", slot="A"), cancel)


def test_equal_moments_are_no_order():
    cancel = ok("ana", 2, 3, "cancel", booking="of ana")
    assert swept(book("ana", 1), cancel, ok("ben", 1, 2, "book", "b", slot="A")) == ()


def test_the_same_booking_answered_twice_is_one():
    assert swept(book("ana", 1, booking="b"), book("ana", 2, booking="b")) == ()


def test_a_moved_booking_holds_a_place_where_it_went():
    move = ok("ana", 2, 3, "reschedule", booking="of ana", to="B")
    assert swept(book("ana", 1), move, book("ben", 4, "A"), A=1, B=1) == ()
    (found,) = swept(book("ana", 1), move, book("ben", 4, "B"), A=1, B=1)
    assert {op.verb for op in found.operations} == {"reschedule", "book"}


def test_where_a_booking_is_after_moves_at_once_is_not_certain():
    moves = [
        ok(who, 2, 3, "reschedule", booking="of ana", to=slot) for who, slot in (("ana", "B"), ("eve", "C"))
    ]
    assert swept(book("ana", 1), *moves, book("ben", 4, "B"), book("kim", 4, "C"), A=1, B=1, C=1) == ()


def test_a_move_without_answer_is_no_certain_place():
    move = unknown("ana", 2, 3, "reschedule", booking="of ana", to="B")
    assert swept(book("ana", 1), move, book("ben", 4, "B"), book("eve", 4, "A"), A=1, B=1) == ()


def test_the_largest_capacity_that_may_have_been_in_force_counts():
    more, less = (
        ok("op", 2, 3, "resize", slot="A", capacity=2),
        ok("op", 6, 7, "resize", slot="A", capacity=1),
    )
    ana, cancel = book("ana", 1), ok("ana", 5, 5.5, "cancel", booking="of ana")
    assert swept(ana, more, book("ben", 4)) == ()
    assert swept(ana, ok("ben", 0, 1.8, "book", "b", slot="A"), more)
    assert swept(ana, more, cancel, less, book("ben", 8)) == ()
    (found,) = swept(ana, more, cancel, less, book("ben", 8), book("eve", 9))
    assert found.capacity == 1


def test_a_resize_without_answer_may_be_in_force_for_ever():
    lost, less = (
        unknown("op", 2, 3, "resize", slot="A", capacity=2),
        ok("op", 6, 7, "resize", slot="A", capacity=1),
    )
    assert swept(lost, less, book("ana", 8), book("ben", 9)) == ()
    assert swept(lost, less, book("ana", 8), book("ben", 9), book("eve", 10))


def test_a_refused_resize_changes_nothing():
    assert swept(refused("op", 0, 0.5, "resize", slot="A", capacity=9), book("ana", 1), book("ben", 2))


def test_slots_nobody_asked_about_are_passed_over():
    assert swept(book("ana", 1, "Z"), book("ben", 2, "Z")) == ()
