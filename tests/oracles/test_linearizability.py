from __future__ import annotations

import pytest

from overbooked.errors import GapFound, HarnessError
from overbooked.histories import CheckResult, History, Linearizability, Operation
from overbooked.oracles.linearizability import linearizable
from overbooked.targets.adapter import Money, Outcome, Slot

SLOT = Slot("s1", 1, Money(1))


def op(
    actor: str,
    verb: str,
    start: float,
    end: float,
    outcome: Outcome = Outcome.OK,
    result: object = None,
    **args: str,
) -> Operation:
    return Operation(actor, verb, args, start, end, outcome, result)


def booked(actor: str, start: float, end: float, result: str, slot: str = "s1") -> Operation:
    return op(actor, "book", start, end, result=result, slot=slot)


def test_one_winner_and_losers_is_no_gap() -> None:
    history = History.of(
        [
            booked("ana", 0, 3, "b1"),
            op("ben", "book", 1, 2, Outcome.REFUSED, slot="s1"),
            op("eva", "book", 1, 4, Outcome.UNKNOWN, slot="s1"),
        ]
    )
    assert linearizable(history, [SLOT]).ok


def test_two_winners_of_one_place_are_a_gap_with_the_operations() -> None:
    with pytest.raises(GapFound, match="not linearizable") as found:
        linearizable(History.of([booked("ana", 0, 3, "b1"), booked("ben", 1, 2, "b2")]), [SLOT])
    assert len(found.value.operations) == 2


def test_a_refusal_while_the_place_was_free_is_a_gap() -> None:
    refusal = op("ben", "book", 0, 1, Outcome.REFUSED, slot="s1")
    with pytest.raises(GapFound):
        linearizable(History.of([refusal, booked("ana", 2, 3, "b1")]), [SLOT])


def test_other_slots_and_other_verbs_are_left_out() -> None:
    history = History.of(
        [
            booked("ana", 0, 1, "b1"),
            booked("ben", 0, 1, "b2", slot="elsewhere"),
            op("ben", "cancel", 2, 3, booking="b2"),
            op("ben", "cancel", 4, 5, booking="b2"),  # twice: a gap, but not of this slot
            op("eva", "quote", 0, 9, slot="s1"),
        ]
    )
    assert linearizable(history, [SLOT]).operations == 1


def test_bookings_made_before_are_named() -> None:
    again = History.of([op("ana", "cancel", 0, 1, booking="b0"), booked("ben", 2, 3, "b1")])
    assert linearizable(again, [SLOT], bookings={"b0": "s1"}).ok
    with pytest.raises(GapFound):
        linearizable(History.of([booked("ben", 2, 3, "b1")]), [SLOT], bookings={"b0": "s1"})


def test_no_time_to_decide_makes_no_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    undecided = CheckResult(Linearizability.UNKNOWN, operations=1, partitions=1, steps=7, elapsed_s=3)
    monkeypatch.setattr("overbooked.oracles.linearizability.check", lambda *_, **__: undecided)
    with pytest.raises(HarnessError, match=r"1 operations were not decided within 3 s \(7 steps\)"):
        linearizable(History.of([booked("ana", 0, 1, "b1")]), [SLOT], deadline_s=3)
