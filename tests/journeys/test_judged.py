"""Each aspect of a purchase is judged separately, and each purchase by its own records."""

from __future__ import annotations

from overbooked.capabilities.booking import BookingRow
from overbooked.capabilities.checkout import HoldRow
from overbooked.capabilities.durable_state import DurableState
from overbooked.fault_points.journey import Findings
from overbooked.journeys.aspects import ALWAYS, AT_REST, BOOKS, HOLDS, MONEY, check_aspects, split_by_slot
from tests.oracles.books import PAID, charge


def aspects(state: DurableState) -> set[str]:
    findings = Findings()
    check_aspects(state, AT_REST, findings)
    return set(findings.by_aspect)


def test_a_purchase_in_order_has_no_finding() -> None:
    assert aspects(PAID) == set()


def test_money_kept_for_nothing_has_no_pair_either() -> None:
    assert aspects(DurableState(charges=(charge(),))) == {MONEY, BOOKS}


def test_a_hold_left_behind_is_a_matter_of_its_own() -> None:
    assert aspects(DurableState(holds=(HoldRow("h", "s1", "c1", live=True),))) == {HOLDS}


def test_before_it_is_at_rest_a_hold_and_an_unbooked_charge_are_no_findings() -> None:
    findings = Findings()
    check_aspects(
        DurableState(charges=(charge(),), holds=(HoldRow("h", "s1", "c1", live=True),)), ALWAYS, findings
    )
    assert not findings


def test_the_first_finding_of_an_aspect_stays() -> None:
    findings = Findings()
    check_aspects(DurableState(charges=(charge(), charge("ch2"))), AT_REST, findings)
    assert findings.by_aspect[MONEY].what == "a booking is charged twice"


def test_one_look_is_parted_by_slot() -> None:
    state = DurableState(
        bookings=(BookingRow("b1", "s1", "ana", "confirmed", "c1"),),
        holds=(HoldRow("h2", "s2", "c2", live=False),),
        charges=(charge(checkout="c1"), charge("ch2", checkout="c2"), charge("ch3", checkout="c3")),
    )
    parts = split_by_slot(state, ["s1", "s2"])
    assert [row.id for row in parts["s1"].bookings] == ["b1"]
    assert not parts["s2"].bookings
    # Records without a slot must not be ignored.
    assert [row.checkout for row in parts["s1"].charges] == ["c1", "c3"]
    assert [row.checkout for row in parts["s2"].charges] == ["c2", "c3"]
