from __future__ import annotations

import pytest

from overbooked.capabilities.durable_state import DurableState
from overbooked.capabilities.reconciliation import Discrepancy, ReconciliationReport
from overbooked.capabilities.webhooks import DeadLetter
from overbooked.errors import GapFound
from overbooked.oracles.reconciliation import finds_exactly, finds_nothing, put_before_a_person

PLANTED = [Discrepancy("amount differs", "c1"), Discrepancy("hold orphaned", "h1")]
BOTH = (("c1", "amount differs"), ("h1", "hold orphaned"))


def test_a_report_of_exactly_what_was_planted_is_no_gap() -> None:
    finds_exactly(PLANTED, ReconciliationReport("r1", BOTH[::-1], examined=9))
    finds_exactly([], ReconciliationReport("r1", ()))


def test_what_was_there_before_may_be_named_again() -> None:
    finds_exactly(PLANTED[:1], ReconciliationReport("r1", BOTH), known=BOTH[1:])
    finds_exactly(PLANTED[:1], ReconciliationReport("r1", BOTH[:1]), known=BOTH[1:])


@pytest.mark.parametrize(
    ("found", "word"),
    [
        (BOTH[:1], "missed: hold orphaned"),
        ((*BOTH, ("c2", "captured twice there")), "invented: captured twice there"),
        ((("c1", "refunded here only"), BOTH[1]), "missed: amount differs"),
        ((*BOTH, BOTH[0]), "named twice: amount differs"),
    ],
)
def test_a_difference_missed_or_invented_is_a_gap(found: tuple[tuple[str, str], ...], word: str) -> None:
    with pytest.raises(GapFound, match="does not find exactly") as gap:
        finds_exactly(PLANTED, ReconciliationReport("r1", found))
    assert any(line.startswith(word) for line in gap.value.operations)


def test_a_second_run_finds_nothing() -> None:
    finds_nothing(ReconciliationReport("r2", ()))
    with pytest.raises(GapFound, match="1 differences, 0 repairs"):
        finds_nothing(ReconciliationReport("r2", BOTH[:1]))
    with pytest.raises(GapFound, match="0 differences, 1 repairs"):
        finds_nothing(ReconciliationReport("r2", (), (("c1", "refunded"),)))


def test_what_waits_for_a_person_may_be_named_again_but_not_repaired() -> None:
    finds_nothing(ReconciliationReport("r2", BOTH[:1]), known=BOTH[:1])
    with pytest.raises(GapFound, match="0 differences, 1 repairs"):
        finds_nothing(ReconciliationReport("r2", BOTH[:1], (("c1", "refunded"),)), known=BOTH[:1])


def test_what_cannot_be_repaired_lies_before_a_person_once() -> None:
    letter = DeadLetter("d1", "reconciliation", "c1", "amount differs")
    put_before_a_person(PLANTED[0], DurableState(dead_letters=(letter,)))
    for letters in ((), (letter, DeadLetter("d2", "reconciliation", "c1", "again"))):
        with pytest.raises(GapFound, match="not queued for manual resolution"):
            put_before_a_person(PLANTED[0], DurableState(dead_letters=letters))
