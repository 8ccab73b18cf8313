"""The slot model on hand-written histories."""

from __future__ import annotations

import pytest

from overbooked.histories import BadHistory, CheckResult, Linearizability, Operation, SlotModel, check
from tests.histories import simulated
from tests.histories.writing import history, ok, refused, unknown

OK, ILLEGAL = Linearizability.OK, Linearizability.ILLEGAL


def judged(*operations: Operation, old: dict[str, str] | None = None, **capacities: int) -> Linearizability:
    return check(SlotModel(capacities or {"A": 1}, old), history(*operations), shrink_s=0).verdict


ANA = ok("ana", 0, 1, "book", "b1", slot="A")
BEN = ok("ben", 0.5, 2, "book", "b2", slot="A")


# -- booking -----------------------------------------------------------------------------------


def test_a_place_is_sold_once():
    assert judged(ANA) is OK
    assert judged(ANA, BEN) is ILLEGAL
    assert judged(ANA, BEN, A=2) is OK


def test_a_refused_booking_needs_a_full_slot():
    assert judged(ANA, refused("ben", 2, 3, "book", slot="A")) is OK
    assert judged(refused("ben", 2, 3, "book", slot="A")) is ILLEGAL
    assert (
        judged(refused("ben", 0, 0.5, "book", slot="A"), ok("ana", 1, 2, "book", "b1", slot="A")) is ILLEGAL
    )


def test_a_booking_without_answer_may_have_taken_the_place_or_not():
    lost = unknown("ana", 0, 1, "book", slot="A")
    assert judged(lost, refused("ben", 2, 3, "book", slot="A")) is OK
    assert judged(lost, ok("ben", 2, 3, "book", "b2", slot="A")) is OK
    both = [refused("ben", 2, 3, "book", slot="A"), ok("eve", 4, 5, "book", "b3", slot="A")]
    assert judged(lost, *both) is ILLEGAL


def test_two_answers_with_one_booking_are_two_sales_of_it():
    again = ok("ben", 2, 3, "book", "b1", slot="A")
    assert judged(ANA, again, A=2) is ILLEGAL


def test_bookings_from_before_take_places():
    assert judged(ANA, old={"b0": "A"}, A=1) is ILLEGAL
    assert judged(ANA, old={"b0": "A"}, A=2) is OK


# -- cancelling --------------------------------------------------------------------------------


def test_a_cancelled_place_is_free_again():
    cancel = ok("ana", 2, 3, "cancel", booking="b1")
    assert judged(ANA, cancel, ok("ben", 4, 5, "book", "b2", slot="A")) is OK
    assert judged(ANA, cancel, refused("ben", 4, 5, "book", slot="A")) is ILLEGAL


def test_a_booking_is_cancelled_once():
    cancel = ok("ana", 2, 3, "cancel", booking="b1")
    assert judged(ANA, cancel, refused("ana", 4, 5, "cancel", booking="b1")) is OK
    assert judged(ANA, cancel, ok("ana", 4, 5, "cancel", booking="b1")) is ILLEGAL
    assert judged(ANA, refused("ana", 2, 3, "cancel", booking="b1")) is ILLEGAL


def test_of_two_cancellations_at_once_one_is_refused():
    first, second = ok("ana", 2, 4, "cancel", booking="b1"), refused("ana", 2, 3, "cancel", booking="b1")
    assert judged(ANA, first, second) is OK
    assert judged(ANA, first, ok("ana", 2, 3, "cancel", booking="b1")) is ILLEGAL
    # Refused at 3, so the place was free by then.
    assert judged(ANA, first, second, refused("eve", 3.2, 3.5, "book", slot="A")) is ILLEGAL
    assert judged(ANA, first, refused("eve", 3.2, 3.5, "book", slot="A")) is OK


def test_a_cancellation_without_answer_was_made_when_its_repetition_is_refused():
    lost, again = unknown("ana", 2, 3, "cancel", booking="b1"), refused("ana", 4, 5, "cancel", booking="b1")
    assert judged(ANA, lost, again) is OK
    assert judged(ANA, lost, again, refused("eve", 6, 7, "book", slot="A")) is ILLEGAL
    assert judged(ANA, lost, refused("eve", 6, 7, "book", slot="A")) is OK
    assert judged(ANA, refused("ana", 1.5, 1.6, "cancel", booking="b1"), lost) is ILLEGAL


def test_of_two_cancellations_without_answer_one_at_most_frees_a_place():
    lost = [unknown("ana", 2, 3, "cancel", booking="b1"), unknown("ana", 4, 5, "cancel", booking="b1")]
    one, two = ok("ben", 6, 7, "book", "b2", slot="A"), ok("eve", 6, 7, "book", "b3", slot="A")
    assert judged(ANA, *lost, one) is OK
    assert judged(ANA, *lost, one, two) is ILLEGAL


# -- moving ------------------------------------------------------------------------------------


def test_a_rescheduled_booking_leaves_one_slot_and_takes_a_place_of_another():
    move = ok("ana", 2, 3, "reschedule", booking="b1", to="B")
    there, here = ok("ben", 4, 5, "book", "b2", slot="B"), ok("eve", 4, 5, "book", "b3", slot="A")
    assert judged(ANA, move, here, A=1, B=1) is OK
    assert judged(ANA, move, there, A=1, B=1) is ILLEGAL
    assert judged(ANA, move, refused("eve", 4, 5, "book", slot="A"), A=1, B=1) is ILLEGAL


def test_a_move_is_one_step():
    # At no moment are both slots full, or both free.
    move = ok("ana", 2, 5, "reschedule", booking="b1", to="B")
    full = [refused("ben", 3, 4, "book", slot="B"), refused("eve", 4.2, 4.5, "book", slot="A")]
    assert judged(ANA, move, *full, A=1, B=1) is ILLEGAL
    assert judged(ANA, move, full[0], A=1, B=1) is OK
    assert judged(ANA, move, full[1], A=1, B=1) is OK


def test_a_refused_reschedule_needs_a_reason():
    no = refused("ana", 4, 5, "reschedule", booking="b1", to="B")
    assert judged(ANA, no, A=1, B=1) is ILLEGAL
    assert judged(ANA, ok("ben", 2, 3, "book", "b2", slot="B"), no, A=1, B=1) is OK
    assert judged(ANA, ok("ana", 2, 3, "cancel", booking="b1"), no, A=1, B=1) is OK
    assert judged(ANA, refused("ana", 4, 5, "reschedule", booking="b1", to="A")) is OK


def test_a_cancelled_booking_does_not_move():
    cancel = ok("ana", 2, 3, "cancel", booking="b1")
    assert judged(ANA, cancel, ok("ana", 4, 5, "reschedule", booking="b1", to="B"), A=1, B=1) is ILLEGAL
    lost = unknown("ana", 4, 5, "reschedule", booking="b1", to="B")
    assert judged(ANA, cancel, lost, refused("ben", 6, 7, "book", slot="B"), A=1, B=1) is ILLEGAL


def test_where_a_booking_is_cancelled_is_where_it_was_moved_to():
    moved = [ANA, ok("ana", 2, 3, "reschedule", booking="b1", to="B")]
    cancel = ok("ana", 4, 5, "cancel", booking="b1")
    assert judged(*moved, cancel, ok("ben", 6, 7, "book", "b2", slot="B"), A=1, B=1) is OK
    assert judged(*moved, cancel, refused("ben", 6, 7, "book", slot="B"), A=1, B=1) is ILLEGAL


def test_moves_of_one_booking_at_once_come_in_some_order():
    moves = [
        ok("ana", 2, 5, "reschedule", booking="b1", to="B"),
        ok("eve", 2, 5, "reschedule", booking="b1", to="C"),
    ]
    for last in "BC":
        assert judged(ANA, *moves, refused("ben", 6, 7, "book", slot=last), A=1, B=1, C=1) is OK
    full = [refused("ben", 6, 7, "book", slot=slot) for slot in "BC"]
    assert judged(ANA, *moves, *full, A=1, B=1, C=1) is ILLEGAL


def test_a_move_to_where_it_is_changes_nothing():
    assert judged(ANA, ok("ana", 2, 3, "reschedule", booking="b1", to="A")) is OK
    overlapping = [ok(who, 2, 5, "reschedule", booking="b1", to="A") for who in ("ana", "eve")]
    assert judged(ANA, *overlapping) is OK


# -- capacity ----------------------------------------------------------------------------------


def test_a_slot_is_resized_to_what_is_sold_or_more():
    assert judged(ANA, BEN, ok("op", 3, 4, "resize", slot="A", capacity=2)) is ILLEGAL
    more = ok("op", 0, 1, "resize", slot="A", capacity=2)
    assert judged(ANA, more, BEN) is OK
    assert judged(ANA, ok("op", 2, 3, "resize", slot="A", capacity=0)) is ILLEGAL
    assert judged(ANA, refused("op", 2, 3, "resize", slot="A", capacity=0)) is OK
    assert judged(refused("op", 2, 3, "resize", slot="A", capacity=0)) is ILLEGAL


def test_a_resize_without_answer_may_come_at_any_time():
    lost = unknown("op", 0, 1, "resize", slot="A", capacity=2)
    assert judged(ANA, lost, ok("ben", 5, 6, "book", "b2", slot="A")) is OK
    assert judged(ANA, lost, refused("ben", 5, 6, "book", slot="A")) is OK


def test_places_show_capacity_and_bookings():
    assert judged(ANA, ok("op", 2, 3, "places", [1, 1], slot="A")) is OK
    assert judged(ANA, ok("op", 2, 3, "places", [1, 0], slot="A")) is ILLEGAL
    assert judged(ANA, ok("op", 2, 3, "places", [2, 1], slot="A")) is ILLEGAL
    assert judged(ANA, unknown("op", 2, 3, "places", slot="A")) is OK


# -- repeated keys -----------------------------------------------------------------------------

LOST = unknown("ana", 0, 1, "book", slot="A", key="k")


def test_attempts_with_one_key_book_once():
    answers = [ok("ana", n, n + 1, "book", "b1", slot="A", key="k") for n in (2, 4)]
    assert judged(LOST, *answers, A=2) is OK
    assert judged(LOST, *answers, ok("ben", 6, 7, "book", "b2", slot="A"), A=1) is ILLEGAL
    assert judged(LOST, answers[0], refused("ben", 6, 7, "book", slot="A"), A=2) is ILLEGAL


def test_one_key_never_books_twice():
    answers = [ok("ana", n, n + 1, "book", f"b{n}", slot="A", key="k") for n in (2, 4)]
    assert judged(*answers, A=2) is ILLEGAL


def test_a_refusal_may_be_repeated_when_there_is_room_again():
    no = [refused("ana", n, n + 0.5, "book", slot="A", key="k") for n in (2, 8)]
    cancel = ok("ben", 4, 5, "cancel", booking="b0")
    assert judged(no[0], cancel, no[1], old={"b0": "A"}, A=1) is OK
    assert judged(LOST, cancel, no[1], old={"b0": "A"}, A=1) is OK
    assert judged(cancel, no[1], old={"b0": "A"}, A=1) is ILLEGAL


def test_a_refusal_after_the_key_has_booked_is_not_explained():
    assert (
        judged(
            ok("ana", 0, 1, "book", "b1", slot="A", key="k"), refused("ana", 2, 3, "book", slot="A", key="k")
        )
        is ILLEGAL
    )


def test_a_booking_made_with_a_repeated_key_can_be_cancelled():
    answer, cancel = ok("ana", 2, 3, "book", "b1", slot="A", key="k"), ok("ana", 4, 5, "cancel", booking="b1")
    assert judged(LOST, answer, cancel, ok("ben", 6, 7, "book", "b2", slot="A")) is OK
    assert judged(LOST, answer, cancel, refused("ben", 6, 7, "book", slot="A")) is ILLEGAL


# -- reading histories -------------------------------------------------------------------------


def partitions(*operations: Operation, **capacities: int) -> list[str]:
    return sorted(p.key for p in SlotModel(capacities).prepare(history(*operations)))


def test_slots_are_judged_apart_unless_a_booking_moves():
    other = ok("ben", 0, 1, "book", "b2", slot="B")
    assert partitions(ANA, other, A=1, B=1) == ["A", "B"]
    move = ok("ana", 2, 3, "reschedule", booking="b1", to="B")
    assert partitions(ANA, other, move, A=1, B=1, C=1) == ["A+B"]
    refused_move = refused("ana", 2, 3, "reschedule", booking="b1", to="B")
    assert partitions(ANA, other, refused_move, A=1, B=1) == ["A", "B"]


@pytest.mark.parametrize(
    ("operation", "said"),
    [
        (ok("ana", 0, 1, "steal", slot="A"), "found: ana: steal"),
        (ok("ana", 0, 1, "book", "b1"), "'slot' is missing"),
        (ok("ana", 0, 1, "resize", slot="A"), "'capacity' is missing"),
        (ok("ana", 0, 1, "book", slot="A"), "booking's id as its result"),
        (ok("ana", 0, 1, "book", "b1", slot="Z"), "slot Z has no known capacity"),
        (ok("ana", 0, 1, "cancel", booking="b9"), "no operation makes booking b9"),
    ],
)
def test_a_history_that_cannot_be_read_says_why(operation: Operation, said: str):
    with pytest.raises(BadHistory, match=said):
        judged(operation)


def test_bookings_of_before_need_slots_of_known_capacity():
    with pytest.raises(BadHistory, match="without a known capacity: Z"):
        SlotModel({"A": 1}, {"b0": "Z"})


# -- bursts ------------------------------------------------------------------------------------

STEPS = 300_000


def decided(seed: int, *, flaws: simulated.Flaws = simulated.NO_FLAWS, **crowd: object) -> CheckResult:
    capacities = crowd.pop("capacities")
    seen = simulated.history(seed, capacities=capacities, flaws=flaws, **crowd)  # type: ignore[arg-type]
    return check(SlotModel(capacities), seen, max_steps=STEPS, deadline_s=60, shrink_s=0)  # type: ignore[arg-type]


@pytest.mark.parametrize("capacity", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("unknown_share", [0.0, 0.1])
def test_a_burst_of_fifty_is_decided(capacity: int, unknown_share: float):
    for verbs in (("book",), simulated.VERBS):
        crowd = {"actors": 50, "operations": 150, "verbs": verbs, "unknown": unknown_share}
        checked = decided(capacity, capacities={"A": capacity}, **crowd)
        assert checked.verdict is OK


def test_a_burst_of_fifty_over_three_slots_is_decided():
    for seed in range(3):
        checked = decided(seed, capacities={"A": 5, "B": 3, "C": 1}, actors=50, operations=150)
        assert checked.verdict is OK


@pytest.mark.parametrize("capacity", [1, 5])
def test_an_oversold_burst_is_found(capacity: int):
    flaws = simulated.Flaws(oversells=0.2)
    for unknown_share in (0.0, 0.1):
        crowd = {"actors": 50, "operations": 50, "verbs": ("book",), "unknown": unknown_share}
        assert decided(1, capacities={"A": capacity}, flaws=flaws, **crowd).verdict is ILLEGAL


def test_a_place_that_is_not_given_back_is_found():
    crowd = {"actors": 4, "operations": 60, "verbs": ("book", "cancel")}
    flaws = simulated.Flaws(forgets_to_free=1.0)
    assert decided(1, capacities={"A": 2}, flaws=flaws, **crowd).verdict is ILLEGAL


def test_a_needless_refusal_is_found():
    crowd = {"actors": 2, "operations": 20, "verbs": ("book", "cancel")}
    flaws = simulated.Flaws(refuses_needlessly=1.0)
    assert decided(1, capacities={"A": 2}, flaws=flaws, **crowd).verdict is ILLEGAL


@pytest.mark.parametrize("unknown_share", [0.0, 0.1])
def test_a_burst_of_fifty_on_one_anothers_bookings_is_decided(unknown_share: float):
    capacities, old = {"A": 5, "B": 3}, {f"o{n}": "A" for n in range(5)}
    verbs = ("book", "cancel", "reschedule", "resize")
    for seed in range(5):
        seen = simulated.burst(seed, 50, capacities=capacities, old=old, verbs=verbs, unknown=unknown_share)
        checked = check(SlotModel(capacities, old), seen, max_steps=STEPS, deadline_s=60, shrink_s=0)
        assert checked.verdict is OK


def test_a_burst_about_a_few_bookings_that_oversells_is_found():
    capacities, old = {"A": 5}, {f"o{n}": "A" for n in range(5)}
    flaws = simulated.Flaws(oversells=0.5)
    for seed in range(5):
        seen = simulated.burst(
            seed, 50, capacities=capacities, old=old, verbs=("book", "book", "cancel", "resize"), flaws=flaws
        )
        checked = check(SlotModel(capacities, old), seen, max_steps=STEPS, deadline_s=60, shrink_s=0)
        assert checked.verdict is ILLEGAL
