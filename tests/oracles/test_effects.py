from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from overbooked.capabilities.durable_state import DurableState
from overbooked.capabilities.side_effects import (
    ANNOUNCEMENTS,
    CHECKOUT_STATES,
    AnnouncementRow,
    CheckoutStateRow,
)
from overbooked.capabilities.webhooks import DeadLetter
from overbooked.errors import GapFound, HarnessError
from overbooked.oracles.effects import (
    announced_once,
    exactly_once,
    never_backwards,
    nothing_changed,
    provider_and_records_agree,
)
from tests.oracles.books import CANCELLED, NOTHING, PAID, booking, charge, payment, posted


def test_each_effect_once_is_no_gap() -> None:
    exactly_once(["a", "b"], {"b", "a"})
    exactly_once([], [])


@pytest.mark.parametrize(
    ("seen", "observed"),
    [(["a"], "b: 0 times"), (["a", "b", "b"], "b: 2 times"), (["a", "b", "c"], "c: 1 times")],
)
def test_an_effect_missing_doubled_or_invented_is_a_gap(seen: list[str], observed: str) -> None:
    with pytest.raises(GapFound) as found:
        exactly_once(seen, ["a", "b"], "event")
    assert found.value.observed == observed


def test_records_that_say_what_the_provider_says_are_no_gap() -> None:
    provider_and_records_agree(PAID)
    provider_and_records_agree(CANCELLED)
    provider_and_records_agree(DurableState(charges=(charge(captured=0),)))


@pytest.mark.parametrize(
    "state",
    [
        replace(PAID, payments=()),
        replace(PAID, payments=(payment(captured=5000),)),
        replace(PAID, payments=(payment("p1"), payment("p2"))),
        replace(CANCELLED, payments=(payment(),)),
        replace(CANCELLED, payments=(payment(refunded=5000),)),
        replace(PAID, ledger=()),
        replace(PAID, ledger=(posted("t1"), posted("t2"))),
        replace(CANCELLED, ledger=(posted(),)),
    ],
)
def test_an_event_that_took_effect_twice_or_not_at_all_is_a_gap(state: DurableState) -> None:
    with pytest.raises(GapFound, match="did not take effect exactly once"):
        provider_and_records_agree(state)


def test_going_on_is_no_gap() -> None:
    authorised = DurableState(payments=(payment(state="authorized", captured=0),))
    partly = replace(PAID, payments=(payment(state="partially_refunded", refunded=500),))
    never_backwards([NOTHING, authorised, PAID, PAID, partly, CANCELLED])
    never_backwards([])
    never_backwards([PAID])
    written_off = replace(PAID, payments=(payment(state="voided", captured=0),))
    never_backwards([PAID, written_off])


@pytest.mark.parametrize(
    ("before", "after", "what"),
    [
        (PAID, replace(PAID, payments=(payment(state="authorized"),)), "a payment went backwards"),
        (CANCELLED, replace(CANCELLED, payments=(payment(state="captured"),)), "a payment went backwards"),
        (CANCELLED, replace(CANCELLED, payments=(payment(state="refunded"),)), "a payment went backwards"),
        (PAID, replace(PAID, payments=(payment(captured=2400),)), "a payment went backwards"),
        (PAID, replace(PAID, payments=()), "deleted"),
        (CANCELLED, replace(CANCELLED, bookings=(booking(),)), "a booking went backwards"),
        (PAID, replace(PAID, bookings=()), "a booking went backwards"),
    ],
)
def test_going_back_is_a_gap(before: DurableState, after: DurableState, what: str) -> None:
    with pytest.raises(GapFound, match=what):
        never_backwards([NOTHING, before, after])


def test_a_state_nobody_knows_is_the_adapters_fault() -> None:
    odd = replace(PAID, payments=(payment(state="succeeded"),))
    with pytest.raises(HarnessError, match="the adapter must translate"):
        never_backwards([odd, odd])


def test_no_change_is_no_gap() -> None:
    shuffled = replace(CANCELLED, ledger=CANCELLED.ledger[::-1])
    nothing_changed(CANCELLED, shuffled)


def test_any_change_is_a_gap() -> None:
    with pytest.raises(GapFound, match="charges changed although nothing may change"):
        nothing_changed(PAID, replace(PAID, charges=(charge(refunded=1),)))
    letter = DeadLetter("d1", "webhook", "evt_1", "no such payment")
    with pytest.raises(GapFound, match="dead letters changed"):
        nothing_changed(PAID, replace(PAID, dead_letters=(letter,)))


def effects(
    announcements: Sequence[AnnouncementRow] = (), checkout_states: Sequence[CheckoutStateRow] = ()
) -> DurableState:
    return DurableState.of({ANNOUNCEMENTS: announcements, CHECKOUT_STATES: checkout_states})


def test_a_checkout_that_has_ended_is_never_under_way_again() -> None:
    open_, booked, declined = (
        effects(checkout_states=[CheckoutStateRow("c1", "c1", "s1", state, ended=state != "open")])
        for state in ("open", "booked", "declined")
    )
    never_backwards([open_, declined, booked])
    with pytest.raises(GapFound, match="a checkout went backwards"):
        never_backwards([booked, open_])


def test_a_subject_is_announced_once_a_topic() -> None:
    told = [
        AnnouncementRow(str(n), topic, "b1", checkout="c1") for n, topic in enumerate(("booked", "cancelled"))
    ]
    announced_once(effects(announcements=told))
    announced_once(DurableState())
    with pytest.raises(GapFound, match="an announcement did not happen exactly once"):
        announced_once(effects(announcements=[*told, replace(told[0], id="9")]))
