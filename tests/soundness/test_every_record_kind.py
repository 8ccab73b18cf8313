"""Comparisons of durable state include every record kind that the state's type declares."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pytest

from overbooked.capabilities.durable_state import DurableState
from overbooked.capabilities.reconciliation import Discrepancy
from overbooked.capabilities.webhooks import DeadLetter
from overbooked.errors import GapFound
from overbooked.journeys.aspects import split_by_slot
from overbooked.oracles.effects import never_backwards, nothing_changed
from overbooked.oracles.repairs import about, left_to_a_person


@dataclass(frozen=True, slots=True)
class Voucher:
    """A record kind that the harness does not know."""

    id: str
    checkout: str
    codes: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class WithVouchers(DurableState):
    vouchers: tuple[Voucher, ...] = ()
    reminders: tuple[Voucher, ...] = field(default=(), metadata={"removable": True})


ONE = WithVouchers(vouchers=(Voucher("v1", "c1"),))


@pytest.mark.parametrize(
    "after",
    [
        WithVouchers(),
        replace(ONE, vouchers=(Voucher("v1", "c1", codes=["x"]),)),
        replace(ONE, vouchers=(*ONE.vouchers, Voucher("v2", "c1"))),
        replace(ONE, vouchers=ONE.vouchers * 2),
    ],
    ids=["gone", "changed", "added", "doubled"],
)
def test_a_change_in_a_kind_that_a_subclass_adds_is_found(after: DurableState) -> None:
    with pytest.raises(GapFound, match="vouchers changed although nothing may change"):
        nothing_changed(ONE, after)


def test_a_row_that_cannot_be_hashed_is_compared_all_the_same() -> None:
    listed = WithVouchers(vouchers=(Voucher("v1", "c1", codes=["a"]),))
    nothing_changed(listed, WithVouchers(vouchers=(Voucher("v1", "c1", codes=["a"]),)))


def test_a_look_that_lacks_a_kind_differs_from_one_that_has_it() -> None:
    with pytest.raises(GapFound, match="vouchers"):
        nothing_changed(ONE, DurableState())
    with pytest.raises(GapFound, match="vouchers"):
        nothing_changed(DurableState(), ONE)


def test_a_lasting_record_of_a_kind_that_a_subclass_adds_must_stay() -> None:
    with pytest.raises(GapFound, match="record was deleted"):
        never_backwards([ONE, WithVouchers()])
    never_backwards([WithVouchers(reminders=ONE.vouchers), WithVouchers()])


@pytest.mark.parametrize("kind", ["charges", "ledger"])
def test_a_charge_or_a_ledger_transaction_that_goes_away_is_found(kind: str) -> None:
    @dataclass(frozen=True)
    class Row:
        id: str = "r1"

    before = DurableState(**{kind: (Row(),)})  # type: ignore[arg-type]  # any row will do
    with pytest.raises(GapFound, match=f"record was deleted .{kind}"):
        never_backwards([before, DurableState()])


def test_a_difference_left_to_a_person_may_change_no_kind_at_all() -> None:
    one = Discrepancy("amount differs", "c1", {"slot": "s1", "checkout": "c1"})
    letter = DeadLetter("d1", "reconciliation", "c1", "amount differs")
    left_to_a_person(one, ONE, replace(ONE, dead_letters=(letter,)))
    with pytest.raises(GapFound, match="vouchers changed"):
        left_to_a_person(one, ONE, WithVouchers(dead_letters=(letter,)))


def test_restricting_a_state_drops_no_kind() -> None:
    one = Discrepancy("amount differs", "c1", {"slot": "s1", "checkout": "c1"})
    assert about(one, ONE) == ONE
    assert about(one, WithVouchers(vouchers=(Voucher("v2", "c2"),))) == WithVouchers()
    assert split_by_slot(ONE, ["s1"]) == {"s1": ONE}
