"""Counterexamples are small and correct."""

from __future__ import annotations

import json

from overbooked.histories import Counterexample, History, Operation, RegisterModel, SlotModel, check
from tests.histories.writing import history, ok, refused


class Searched(SlotModel):
    """A model without its shortcuts, so that the search decides everything."""

    def refute(self, history: History) -> None:
        return None


def found(*operations: Operation, shrink_s: float = 60, **capacities: int) -> Counterexample:
    counterexample = check(Searched(capacities), history(*operations), shrink_s=shrink_s).counterexample
    assert counterexample is not None
    return counterexample


def names(operations: tuple[Operation, ...]) -> list[str]:
    return [op.actor for op in operations]


def book(actor: str, at: float, slot: str = "A") -> Operation:
    return ok(actor, at, at + 0.5, "book", f"booking of {actor}", slot=slot)


def test_only_the_operations_that_clash_are_shown():
    noise = [refused(f"n{n}", 10 + n, 11 + n, "book", slot="A") for n in range(9)]
    clash = found(book("ana", 1), book("ben", 2), *noise, book("eve", 3, slot="B"), A=1, B=1)
    assert names(clash.operations) == ["ana", "ben"]
    assert names(clash.placed) == ["ana"]
    assert names(clash.stuck) == ["ben"]
    assert clash.partition == "A"


def test_what_is_seen_without_search_is_shown_as_small():
    noise = [refused(f"n{n}", 10 + n, 11 + n, "book", slot="A") for n in range(9)]
    checked = check(SlotModel({"A": 1}), history(book("ana", 1), book("ben", 2), *noise))
    assert checked.illegal
    assert (checked.steps, checked.undecided) == (0, ("A",))
    assert checked.counterexample is not None
    assert names(checked.counterexample.operations) == ["ana", "ben"]
    assert names(checked.counterexample.placed) == ["ana"]
    assert names(checked.counterexample.stuck) == ["ben"]


def test_what_came_after_the_violation_is_left_out():
    later = [book("eve", 5, slot="B"), ok("ana", 6, 7, "cancel", booking="booking of ana")]
    clash = found(book("ana", 1), book("ben", 2), *later, A=1, B=1)
    assert names(clash.prefix) == ["ana", "ben"]


def test_an_operation_that_excuses_others_is_not_dropped_to_make_a_case():
    # Without ana's cancellation, ana and ben would seem to conflict; the real conflict is ben and eve.
    cancel = ok("ana", 2, 3, "cancel", booking="booking of ana")
    clash = found(book("ana", 1), cancel, book("ben", 4), book("eve", 5), A=1)
    assert names(clash.operations) == ["ben", "eve"]


def test_a_resize_that_took_place_does_not_vanish():
    more = ok("op", 0, 0.5, "resize", slot="A", capacity=2)
    clash = found(more, book("ana", 1), book("ben", 2), book("eve", 3), A=1)
    assert names(clash.operations) == ["ana", "ben", "eve"]


def test_moves_are_explained_across_slots():
    move = ok("ana", 2, 3, "reschedule", booking="booking of ana", to="B")
    clash = found(book("ana", 1), move, book("ben", 4, slot="B"), book("eve", 4, slot="A"), A=1, B=1)
    assert names(clash.operations) == ["ana", "ben"]
    assert [op.verb for op in clash.operations] == ["reschedule", "book"]


def test_a_refused_move_is_explained_though_its_booking_was_made_elsewhere():
    no = refused("ana", 2, 3, "reschedule", booking="booking of ana", to="B")
    clash = found(book("ana", 1), book("ben", 1), no, A=2, B=1)
    assert [op.verb for op in clash.operations] == ["book", "reschedule"]
    assert names(clash.operations) == ["ana", "ana"]


def test_a_booking_referred_to_before_it_is_seen_made_does_not_confuse_the_cut():
    early = refused("eve", 0, 0.5, "cancel", booking="booking of ben")
    clash = found(early, book("ana", 1), book("ben", 2), A=1)
    assert names(clash.operations) == ["ana", "ben"]


def test_without_time_to_shrink_everything_is_shown():
    clash = found(book("ana", 1), book("ben", 2), book("eve", 3, slot="B"), shrink_s=0, A=1, B=1)
    assert names(clash.operations) == ["ana", "ben"]
    assert clash.operations == clash.prefix


def test_one_operation_can_be_illegal_alone():
    checked = check(RegisterModel(), history(ok("a", 0, 1, "read", 7)))
    assert checked.counterexample is not None
    assert names(checked.counterexample.operations) == ["a"]
    assert checked.counterexample.placed == ()


def test_it_can_be_kept_as_json():
    clash = found(book("ana", 1), book("ben", 2), A=1)
    kept = json.loads(json.dumps(clash.as_dict()))
    assert kept["partition"] == "A"
    assert kept["prefix"] == 2
    assert [op["actor"] for op in kept["operations"]] == ["ana", "ben"]
    assert kept["stuck"] == ["ben: book slot=A -> ok booking of ben"]
