"""The reference system through the port: every group of verbs, on an embedded stack."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path

import pytest
import pytest_asyncio

from overbooked.descriptor import load
from overbooked.errors import GapFound
from overbooked.histories.checker import check
from overbooked.histories.models.slot import SlotModel
from overbooked.journeys.booking import books_and_cancels
from overbooked.journeys.buying import buys, repeats
from overbooked.journeys.identities import People
from overbooked.oracles.answers import accepted, refused_with, same_answer
from overbooked.oracles.effects import never_backwards, provider_and_records_agree
from overbooked.oracles.holds import no_hold_left
from overbooked.oracles.ledger import ledger_pairs, never_confirmed_without_ledger
from overbooked.oracles.money import charged, charged_once, money_matches_bookings, nothing_charged
from overbooked.oracles.reconciliation import finds_exactly, finds_nothing
from overbooked.oracles.repairs import dealt_with
from overbooked.stacks.base.protocol import Stack
from overbooked.stacks.base.settings import StackSettings
from overbooked.stacks.embedded.stack import EmbeddedStack
from overbooked.targets.adapter import DISCREPANCIES, DurableState, Money, Outcome
from overbooked.targets.errors import TargetFailed
from overbooked.targets.loading import bind
from overbooked.targets.system import System

DESCRIPTOR = load(Path(__file__).parents[2] / "reference_system" / "target" / "system.toml")


@pytest_asyncio.fixture(scope="module")
async def stack() -> AsyncIterator[Stack]:
    async with EmbeddedStack(DESCRIPTOR, StackSettings.model_validate({})) as stack:
        yield stack


@pytest_asyncio.fixture
async def system(stack: Stack) -> AsyncIterator[System]:
    system = await bind(stack, DESCRIPTOR, seed=21, people=People(21))
    try:
        yield system
    finally:
        await system.close()


def in_order(state: DurableState) -> None:
    money_matches_bookings(state)
    charged_once(state)
    ledger_pairs(state)
    never_confirmed_without_ledger(state)
    provider_and_records_agree(state)
    no_hold_left(state)


# -- booking ------------------------------------------------------------------------------------


async def test_a_place_is_booked_once_cancelled_once_and_moved(system: System) -> None:
    slot, other = await system.open_slot(), await system.open_slot()
    ana, ben = await system.customers(2)
    booked, cancelled = await books_and_cancels(system, ana, slot)
    refused_with(await system.do(ana.cancels(booked)), 409)
    accepted(cancelled)
    booking = await system.booking(ben, slot)
    refused_with(await system.do(ana.books(slot)), 409)
    accepted(await system.do(ben.reschedules(booking, other)))
    accepted(await system.do(ana.books(slot)))
    assert (await system.places(slot), await system.places(other)) == ((1, 1), (1, 1))
    assert check(SlotModel({slot.id: 1, other.id: 1}), system.history).ok


async def test_a_capacity_follows_its_operator_down_to_what_is_sold(system: System) -> None:
    slot = await system.open_slot(capacity=2)
    for one in await system.customers(2):
        await system.booking(one, slot)
    refused_with(await system.do(system.resize(slot, 1)), 409)
    accepted(await system.do(system.resize(slot, 5)))
    assert await system.places(slot) == (5, 2)


async def test_a_booking_repeated_with_its_key_is_the_same_booking(system: System) -> None:
    slot = await system.open_slot(capacity=2)
    (ana,) = await system.customers(1)
    first = await system.do(ana.books(slot, key="k"))
    same_answer(first, await system.do(ana.books(slot, key="k"), replica=1))
    assert (await system.places(slot))[1] == 1


# -- checkout -----------------------------------------------------------------------------------


async def test_a_place_is_bought_at_the_price_quoted(system: System) -> None:
    slot = await system.open_slot(price=Money(1999))
    (ana,) = await system.customers(1)
    bought = await buys(system, ana, slot)
    assert bought.outcome is not None
    same_answer(bought.outcome, await repeats(system, bought))
    state = await system.state(slots=[slot])
    in_order(state)
    charged(state, str(bought.checkout), Money(1999))
    assert [row.id for row in state.bookings] == [bought.booking]
    assert state == await system.state(checkouts=[str(bought.checkout)])
    read = await system.do(ana.reads(str(bought.checkout)))
    assert read.facts["details"]["name"] == ana.customer.name
    assert (read.facts["price"], read.facts["hold"]) == (Money(1999), False)


async def test_a_declined_card_charges_nothing_and_frees_the_place(system: System) -> None:
    slot = await system.open_slot()
    ana, ben = await system.customers(2)
    declined = await buys(system, ana, slot, method="declined card")
    assert declined.outcome is not None
    refused_with(declined.outcome, 402)
    nothing_charged(await system.state(slots=[slot]))
    assert (await buys(system, ben, slot)).booking
    lost = await buys(system, ana, slot)
    assert (lost.stopped_at, lost.stopped_by and lost.stopped_by.status) == ("begin", 409)
    in_order(await system.state(slots=[slot]))


async def test_a_price_lock_serves_its_owner_for_its_slot_once(system: System) -> None:
    slot, other = await system.open_slot(capacity=3), await system.open_slot()
    ana, ben = await system.customers(2)
    quoted = await system.walk(ana.checks_out(slot), until="begin")
    lock = quoted.facts["lock"]
    refused_with(await system.do(ana.uses_lock(lock, other)), 409)
    refused_with(await system.do(ben.uses_lock(lock, slot)), 404)
    begun = await system.do(ana.uses_lock(lock, slot))
    again = await system.do(ana.uses_lock(lock, slot))
    refused_with(again, 409)
    assert again.facts["checkout"] == begun.facts["checkout"]


async def test_every_way_to_reprice_changes_what_is_quoted_and_no_quote(system: System) -> None:
    (ana,) = await system.customers(1)
    assert len(system.repricings) == 6
    for way in system.repricings:
        slot = await system.open_slot(capacity=2, private_venue=True)
        steps = ana.checks_out(slot)
        before = await system.walk(steps, until="begin")
        await system.reprice(slot, way, Money(3000))
        assert (await system.walk(ana.checks_out(slot), until="begin")).facts["price"] == Money(3000), way
        assert before.facts["price"] == Money(2500)
    with pytest.raises(ValueError, match="not by 'magic'"):
        await system.reprice(slot, "magic", Money(1))
    with pytest.raises(ValueError, match="private venue"):
        await system.reprice(await system.open_slot(), "slot price", Money(1))


@pytest.mark.parametrize(
    ("currency", "rounding", "expected"),
    [("EUR", "half_up", 1001), ("JPY", "half_even", 1000), ("KWD", "down", 1000), ("EUR", "up", 1001)],
)
async def test_a_moved_price_is_rounded_as_asked(
    system: System, currency: str, rounding: str, expected: int
) -> None:
    assert rounding in system.roundings
    (ana,) = await system.customers(1)
    slot = await system.open_priced_slot(
        price=Money(667, currency), percent=Decimal("50.0"), rounding=rounding
    )
    bought = await buys(system, ana, slot)
    assert bought.facts["price"] == Money(expected, currency)
    charged(await system.state(slots=[slot]), str(bought.checkout), Money(expected, currency))


# -- sessions, time and jobs --------------------------------------------------------------------


async def test_an_access_token_expires_and_the_checkout_lives_on(system: System) -> None:
    slot = await system.open_slot()
    (ana,) = await system.customers(1)
    steps = ana.checks_out(slot)
    begun = await system.walk(steps, until="pay")
    await system.expire_access(ana)
    refused_with(await system.do(steps[-1].build(begun.facts)), 401)
    await system.log_in(ana)
    read = await system.do(ana.reads(begun.facts["checkout"]))
    assert (read.facts["hold"], read.facts["price"]) == (True, slot.price)
    paid = await system.walk(steps, facts=begun.facts, since="pay")
    assert paid.ok
    in_order(await system.state(slots=[slot]))


async def test_a_revoked_session_is_over_at_once(system: System) -> None:
    (ana,) = await system.customers(1)
    await system.revoke_session(ana)
    refused_with(await system.do(ana.books(await system.open_slot())), 401)


async def test_an_expired_price_lock_is_answered_with_the_new_price(system: System) -> None:
    slot = await system.open_slot()
    (ana,) = await system.customers(1)
    quoted = await system.walk(ana.checks_out(slot), until="begin")
    await system.advance(system.price_lock_s + 1)
    await system.log_in(ana)
    late = await system.do(ana.uses_lock(quoted.facts["lock"], slot))
    refused_with(late, 409)
    assert late.facts["price"] == slot.price
    with pytest.raises(ValueError, match="time goes forward"):
        await system.advance(-1)


async def test_what_nobody_came_back_for_expires(system: System) -> None:
    slot = await system.open_slot()
    (ana,) = await system.customers(1)
    await system.walk(ana.checks_out(slot), until="pay")
    with pytest.raises(GapFound):
        no_hold_left(await system.state(slots=[slot]))
    await system.recover()
    no_hold_left(await system.state(slots=[slot]))
    assert "expired" in await system.run_job("expire_holds")
    with pytest.raises(TargetFailed, match="404"):
        await system.run_job("tidy_up")


# -- webhooks -----------------------------------------------------------------------------------


async def test_a_bank_payment_is_booked_when_the_provider_says_so(system: System) -> None:
    slot = await system.open_slot()
    (ana,) = await system.customers(1)
    await system.hold_deliveries()
    bought = await buys(system, ana, slot, method="bank")
    assert bought.outcome is not None
    assert bought.outcome.facts["pending"] is True
    await system.provider_pays(str(bought.checkout))
    with pytest.raises(TargetFailed, match="waits for 0 bank transfers"):
        await system.provider_pays(str(bought.checkout))
    before = await system.state(slots=[slot])
    (event,) = await system.events([charge.id for charge in before.charges])
    assert (event.type, event.acknowledged) == ("payment.captured", False)
    for signature in ("forged", "missing", "stale"):
        refused_with(await system.do(system.deliver(event, signature=signature)), 401)
    assert (await system.state(slots=[slot])) == before
    await system.redeliver(event)
    accepted(await system.do(system.deliver(event)))
    after = await system.state(slots=[slot])
    never_backwards([before, after])
    in_order(after)
    assert len(after.bookings) == 1
    with pytest.raises(ValueError, match="not 'crooked'"):
        system.deliver(event, signature="crooked")


async def test_a_refund_at_the_provider_reaches_the_books(system: System) -> None:
    slot = await system.open_slot()
    (ana,) = await system.customers(1)
    await buys(system, ana, slot)
    (charge,) = (await system.state(slots=[slot])).charges
    await system.provider_refunds(charge.id, 1000)
    await system.recover()
    state = await system.state(slots=[slot])
    assert state.charges[0].refunded_minor == 1000
    in_order(state)


async def test_an_event_that_can_never_be_processed_is_refused_until_it_is_given_up(system: System) -> None:
    slot = await system.open_slot()
    (ana,) = await system.customers(1)
    await buys(system, ana, slot)
    before = await system.state(slots=[slot])
    bad = system.bad_event(before.charges[0].id)
    answers = [await system.do(system.deliver(bad)) for _ in range(5)]
    assert [answer.outcome for answer in answers] == [Outcome.UNKNOWN] * 4 + [Outcome.OK]
    after = await system.state(slots=[slot])
    assert [letter.subject for letter in after.dead_letters if letter not in before.dead_letters] == [bad.id]
    in_order(after)


# -- reconciliation -----------------------------------------------------------------------------


async def test_each_planted_difference_is_one_and_is_named_by_its_subject(system: System) -> None:
    await system.settle()
    known = (await system.reconcile()).differences
    kinds = (*DISCREPANCIES, "captured there, unknown here")
    planted = await asyncio.gather(*(system.plant(kind) for kind in kinds))
    assert {one.facts["place"] for one in planted if one.kind == kinds[-1]} == {"held", "free"}
    before = await system.state(slots=[str(one.facts["slot"]) for one in planted])
    report = await system.reconcile()
    after = await system.state(slots=[str(one.facts["slot"]) for one in planted])
    finds_exactly(planted, report, known)
    assert report == await system.last_reconciliation()
    for one in planted:
        dealt_with(one, before, after)
    with pytest.raises(ValueError, match="not 'lost at sea'"):
        await system.plant("lost at sea")


async def test_what_a_person_has_settled_is_met_by_no_later_run(system: System) -> None:
    await system.settle()
    planted = [await system.plant("amount differs") for _ in range(3)]
    assert {one.facts["shape"] for one in planted} == {"charge", "refund", "ledger"}
    found = await system.reconcile()
    assert {one.subject for one in planted} <= {subject for subject, _ in found.differences}
    for one in planted:
        await system.mend(one)
    again = await system.reconcile()
    subjects = {one.subject for one in planted}
    assert not subjects & {subject for subject, _ in again.differences}
    state = await system.state(slots=[str(one.facts["slot"]) for one in planted])
    assert not subjects & {letter.subject for letter in state.dead_letters}
    provider_and_records_agree(state)
    ledger_pairs(state)
    with pytest.raises(ValueError, match="'hold orphaned' is mended by reconciliation"):
        await system.mend(await system.plant("hold orphaned"))


async def test_payments_that_agree_are_examined_and_nothing_is_found(system: System) -> None:
    await system.settle()
    before, was = await system.reconcile(), await system.state()
    await system.agree(40)
    again, now = await system.reconcile(), await system.state()
    assert again.examined == before.examined + 40
    finds_nothing(again, before.differences)
    for part in ("bookings", "charges", "payments", "ledger"):
        assert len(getattr(now, part)) == len(getattr(was, part)) + 40
    never_confirmed_without_ledger(now)
    assert len({row.slot for row in now.bookings} - {row.slot for row in was.bookings}) == 1


async def test_refunds_can_be_kept_pending(system: System) -> None:
    slot = await system.open_slot()
    (ana,) = await system.customers(1)
    bought = await buys(system, ana, slot)
    await system.delay_refunds()
    accepted(await system.do(ana.cancels(str(bought.booking))))
    await system.run_job("send_outbox")
    (charge,) = (await system.state(slots=[slot])).charges
    assert (charge.refunded_minor, charge.refund_pending_minor) == (0, 2500)
    await system.delay_refunds(False)
    await system.recover()
    (charge,) = (await system.state(slots=[slot])).charges
    assert (charge.refunded_minor, charge.refund_pending_minor) == (2500, 0)
