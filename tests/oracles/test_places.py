from __future__ import annotations

from dataclasses import replace

import pytest

from overbooked.capabilities.durable_state import DurableState
from overbooked.errors import GapFound
from overbooked.oracles.capacity import acknowledged_bookings_exist, confirmed, sold_at_most
from overbooked.targets.adapter import Money, Slot
from tests.oracles.books import booking, ok, refused, unknown


def test_as_many_as_there_are_places_is_no_gap() -> None:
    sold_at_most(2, [ok("b1"), ok("b2"), refused(), unknown()])
    sold_at_most(1, state=DurableState(bookings=(booking("b1"), booking("b2", status="cancelled"))))
    sold_at_most(0, [refused()])


def test_more_winners_than_places_is_a_gap() -> None:
    with pytest.raises(GapFound, match="more bookings than capacity") as found:
        sold_at_most(1, [ok("b1"), ok("b2")])
    assert found.value.observed == "2"


def test_more_confirmed_rows_than_places_is_a_gap() -> None:
    state = DurableState(bookings=(booking("b1"), booking("b2")))
    with pytest.raises(GapFound, match="2 in the database"):
        sold_at_most(1, [ok("b1"), unknown()], state=state)


def test_only_the_slot_meant_is_counted() -> None:
    elsewhere = replace(booking("b2"), slot="s2")
    state = DurableState(bookings=(booking("b1"), elsewhere))
    sold_at_most(1, state=state, slot=Slot("s1", 1, Money(1)))
    assert confirmed(state, "s2") == [elsewhere]
    assert len(confirmed(state)) == 2


def test_promises_kept_are_no_gap() -> None:
    state = DurableState(bookings=(booking("b1"), booking("b2", status="cancelled")))
    acknowledged_bookings_exist(["b1"], state)
    acknowledged_bookings_exist([], state, in_doubt=1)


def test_a_promise_that_is_not_in_the_database_is_a_gap() -> None:
    with pytest.raises(GapFound, match="an acknowledged booking is not in the database"):
        acknowledged_bookings_exist(["b1", "b9"], DurableState(bookings=(booking("b1"),)))
    with pytest.raises(GapFound, match="booking b2: 0 confirmed rows"):
        acknowledged_bookings_exist(["b2"], DurableState(bookings=(booking("b2", status="cancelled"),)))


def test_a_booking_nobody_was_told_of_is_a_gap() -> None:
    state = DurableState(bookings=(booking("b1"), booking("b2")))
    acknowledged_bookings_exist(["b1"], state, in_doubt=1)
    with pytest.raises(GapFound, match="that no client was told of"):
        acknowledged_bookings_exist(["b1"], state)
