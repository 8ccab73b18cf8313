"""The reference system through its adapter: every group of verbs, on an embedded stack."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path

import pytest
import pytest_asyncio

from overbooked.capabilities.checkout import ChargeRow
from overbooked.capabilities.differences import NEAR_MISSES, PERSON, SHAPES, RecordShape
from overbooked.capabilities.durable_state import DurableState
from overbooked.capabilities.reconciliation import Discrepancy, Wanted
from overbooked.descriptor import load
from overbooked.errors import GapFound
from overbooked.histories.checker import check
from overbooked.histories.models.slot import SlotModel
from overbooked.journeys.booking import books_and_cancels
from overbooked.journeys.buying import buy, repeat_payment
from overbooked.journeys.identities import People
from overbooked.journeys.planted_discrepancies import plant
from overbooked.oracles.answers import accepted, refused_with, same_answer
from overbooked.oracles.effects import never_backwards, provider_and_records_agree
from overbooked.oracles.holds import no_hold_left
from overbooked.oracles.ledger import ledger_pairs, never_confirmed_without_ledger
from overbooked.oracles.money import charged, charged_once, money_matches_bookings, nothing_charged
from overbooked.oracles.reconciliation import finds_exactly, finds_nothing
from overbooked.oracles.repairs import dealt_with, untouched
from overbooked.stacks.base.protocol import Stack
from overbooked.stacks.base.settings import StackSettings
from overbooked.stacks.embedded.stack import EmbeddedStack
from overbooked.system.loading import bind
from overbooked.system.system import System
from overbooked.targets.adapter import Money, Outcome
from overbooked.targets.errors import TargetError

DESCRIPTOR = load(Path(__file__).parents[2] / "reference_system" / "target" / "system.toml")


@pytest_asyncio.fixture(scope="module")
async def stack() -> AsyncIterator[Stack]:
    async with EmbeddedStack(DESCRIPTOR, StackSettings.model_validate({})) as stack:
        yield stack


@pytest_asyncio.fixture
async def system(stack: Stack) -> AsyncIterator[System]:
    system = await bind(stack, DESCRIPTOR, seed=21, identities=People(21))
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
    booking = await system.make_booking(ben, slot)
    refused_with(await system.do(ana.books(slot)), 409)
    accepted(await system.do(ben.reschedules(booking, other)))
    accepted(await system.do(ana.books(slot)))
    assert (await system.booking.places(slot), await system.booking.places(other)) == ((1, 1), (1, 1))
    assert check(SlotModel({slot.id: 1, other.id: 1}), system.history).ok


async def test_a_capacity_follows_its_operator_down_to_what_is_sold(system: System) -> None:
    slot = await system.open_slot(capacity=2)
    for one in await system.customers(2):
        await system.make_booking(one, slot)
    refused_with(await system.do(system.resizing.resize(slot, 1)), 409)
    accepted(await system.do(system.resizing.resize(slot, 5)))
    assert await system.booking.places(slot) == (5, 2)


async def test_a_booking_repeated_with_its_key_is_the_same_booking(system: System) -> None:
    slot = await system.open_slot(capacity=2)
    (ana,) = await system.customers(1)
    first = await system.do(ana.books(slot, key="k"))
    same_answer(first, await system.do(ana.books(slot, key="k"), replica=1))
    assert (await system.booking.places(slot))[1] == 1


# -- checkout -----------------------------------------------------------------------------------


async def test_a_place_is_bought_at_the_price_quoted(system: System) -> None:
    slot = await system.open_slot(price=Money(1999))
    (ana,) = await system.customers(1)
    bought = await buy(system, ana, slot)
    assert bought.outcome is not None
    same_answer(bought.outcome, await repeat_payment(system, bought))
    state = await system.state(slots=[slot])
    in_order(state)
    charged(state, str(bought.checkout), Money(1999))
    assert [row.id for row in state.bookings] == [bought.booking]
    assert state == await system.state(checkouts=[str(bought.checkout)])
    read = await system.do(ana.reads(str(bought.checkout)))
    assert read.facts["details"]["name"] == ana.name
    assert (read.facts["price"], read.facts["hold"]) == (Money(1999), False)


async def test_a_declined_card_charges_nothing_and_frees_the_place(system: System) -> None:
    slot = await system.open_slot()
    ana, ben = await system.customers(2)
    declined = await buy(system, ana, slot, method="declined card")
    assert declined.outcome is not None
    refused_with(declined.outcome, 402)
    nothing_charged(await system.state(slots=[slot]))
    assert (await buy(system, ben, slot)).booking
    lost = await buy(system, ana, slot)
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
    assert len(system.pricing.repricings) == 7
    for way in system.pricing.repricings:
        slot = await system.open_slot(capacity=2, private_venue=True)
        steps = ana.checks_out(slot)
        before = await system.walk(steps, until="begin")
        await system.pricing.reprice(slot, way, Money(3000))
        assert (await system.walk(ana.checks_out(slot), until="begin")).facts["price"] == Money(3000), way
        assert before.facts["price"] == Money(2500)
    with pytest.raises(ValueError, match="not by 'magic'"):
        await system.pricing.reprice(slot, "magic", Money(1))
    with pytest.raises(ValueError, match="private_venue"):
        await system.pricing.reprice(await system.open_slot(), "slot price", Money(1))


@pytest.mark.parametrize(
    ("currency", "rounding", "expected"),
    [("EUR", "half_up", 1001), ("JPY", "half_even", 1000), ("KWD", "down", 1000), ("EUR", "up", 1001)],
)
async def test_a_moved_price_is_rounded_as_asked(
    system: System, currency: str, rounding: str, expected: int
) -> None:
    assert rounding in system.pricing.roundings
    (ana,) = await system.customers(1)
    slot = await system.pricing.open_priced_slot(
        price=Money(667, currency), percent=Decimal("50.0"), rounding=rounding
    )
    bought = await buy(system, ana, slot)
    assert bought.facts["price"] == Money(expected, currency)
    charged(await system.state(slots=[slot]), str(bought.checkout), Money(expected, currency))


# -- sessions, time and jobs --------------------------------------------------------------------


async def test_an_access_token_expires_and_the_checkout_lives_on(system: System) -> None:
    slot = await system.open_slot()
    (ana,) = await system.customers(1)
    steps = ana.checks_out(slot)
    begun = await system.walk(steps, until="pay")
    await system.sessions.expire_access(ana)
    refused_with(await system.do(steps[-1].build(begun.facts)), 401)
    await system.sessions.log_in(ana)
    read = await system.do(ana.reads(begun.facts["checkout"]))
    assert (read.facts["hold"], read.facts["price"]) == (True, slot.price)
    paid = await system.walk(steps, facts=begun.facts, since="pay")
    assert paid.ok
    in_order(await system.state(slots=[slot]))


async def test_a_revoked_session_is_over_at_once(system: System) -> None:
    (ana,) = await system.customers(1)
    await system.sessions.revoke_session(ana)
    refused_with(await system.do(ana.books(await system.open_slot())), 401)


async def test_an_expired_price_lock_is_answered_with_the_new_price(system: System) -> None:
    slot = await system.open_slot()
    (ana,) = await system.customers(1)
    quoted = await system.walk(ana.checks_out(slot), until="begin")
    await system.clock.advance(system.pricing.price_lock_s + 1)
    await system.sessions.log_in(ana)
    late = await system.do(ana.uses_lock(quoted.facts["lock"], slot))
    refused_with(late, 409)
    assert late.facts["price"] == slot.price
    with pytest.raises(ValueError, match="time goes forward"):
        await system.clock.advance(-1)


async def test_what_nobody_came_back_for_expires(system: System) -> None:
    slot = await system.open_slot()
    (ana,) = await system.customers(1)
    await system.walk(ana.checks_out(slot), until="pay")
    with pytest.raises(GapFound):
        no_hold_left(await system.state(slots=[slot]))
    await system.jobs.recover()
    no_hold_left(await system.state(slots=[slot]))
    assert "expired" in await system.jobs.run("expire_holds")
    with pytest.raises(TargetError, match="404"):
        await system.jobs.run("tidy_up")


# -- webhooks -----------------------------------------------------------------------------------


async def test_a_bank_payment_is_booked_when_the_provider_says_so(system: System) -> None:
    slot = await system.open_slot()
    (ana,) = await system.customers(1)
    await system.webhooks.hold_deliveries(True)
    bought = await buy(system, ana, slot, method="bank")
    assert bought.outcome is not None
    assert bought.outcome.facts["pending"] is True
    await system.webhooks.provider_pays(str(bought.checkout))
    with pytest.raises(TargetError, match="has no pending bank transfer"):
        await system.webhooks.provider_pays(str(bought.checkout))
    before = await system.state(slots=[slot])
    (event,) = await system.webhooks.events([charge.id for charge in before.charges])
    assert (event.type, event.acknowledged) == ("payment.captured", False)
    for signature in ("forged", "missing", "stale"):
        refused_with(await system.do(system.webhooks.deliver(event, signature=signature)), 401)
    assert (await system.state(slots=[slot])) == before
    await system.webhooks.redeliver(event)
    accepted(await system.do(system.webhooks.deliver(event)))
    after = await system.state(slots=[slot])
    never_backwards([before, after])
    in_order(after)
    assert len(after.bookings) == 1
    with pytest.raises(ValueError, match="not 'crooked'"):
        system.webhooks.deliver(event, signature="crooked")


async def test_a_refund_at_the_provider_reaches_the_books(system: System) -> None:
    slot = await system.open_slot()
    (ana,) = await system.customers(1)
    await buy(system, ana, slot)
    (charge,) = (await system.state(slots=[slot])).charges
    await system.webhooks.provider_refunds(charge.id, 1000)
    await system.jobs.recover()
    state = await system.state(slots=[slot])
    assert state.charges[0].refunded_minor == 1000
    in_order(state)


async def test_an_event_that_can_never_be_processed_is_refused_until_it_is_given_up(system: System) -> None:
    slot = await system.open_slot()
    (ana,) = await system.customers(1)
    await buy(system, ana, slot)
    before = await system.state(slots=[slot])
    bad = system.webhooks.bad_event(before.charges[0].id)
    answers = [await system.do(system.webhooks.deliver(bad)) for _ in range(5)]
    assert [answer.outcome for answer in answers] == [Outcome.UNKNOWN] * 4 + [Outcome.OK]
    after = await system.state(slots=[slot])
    assert [letter.subject for letter in after.dead_letters if letter not in before.dead_letters] == [bad.id]
    in_order(after)


# -- reconciliation -----------------------------------------------------------------------------


async def test_each_planted_difference_is_one_and_is_named_by_its_subject(system: System) -> None:
    await system.jobs.settle()
    target = system.reconciliation
    known = (await target.reconcile()).differences
    assert {shape.name for shape in target.shapes} == {shape.name for shape in SHAPES}
    assert {shape.name for shape in target.near_misses} == {shape.name for shape in NEAR_MISSES}
    planted = await plant(system, [*target.shapes, *target.near_misses])
    report = await target.reconcile()
    after = await planted.state()
    finds_exactly(planted.ones, report, known)
    assert report == await target.last_report()
    for one in planted.ones:
        if one.kind:
            dealt_with(one, planted.before, after)
        else:
            untouched(one, planted.before, after)
    with pytest.raises(ValueError, match="'lost at sea'"):
        await target.plant([Wanted(RecordShape("lost at sea"))])
    await planted.clear()


async def test_what_was_cleared_away_is_met_by_no_later_run(system: System) -> None:
    await system.jobs.settle()
    known = (await system.reconciliation.reconcile()).differences
    planted = await plant(system, [shape for shape in SHAPES if shape.repair == PERSON])
    await system.reconciliation.reconcile()
    await planted.clear()
    assert set((await system.reconciliation.reconcile()).differences) <= set(known)
    state = await planted.state()
    subjects = {one.subject for one in planted.ones}
    assert not subjects & {letter.subject for letter in state.dead_letters}
    assert not [*state.bookings, *state.holds, *state.charges, *state.payments, *state.ledger]


async def test_a_sale_is_planted_as_the_service_records_it(system: System) -> None:
    slot = await system.open_slot()
    (ana,) = await system.customers(1)
    await buy(system, ana, slot)
    await system.jobs.recover()
    planted = await plant(system, ["paid and booked"])

    def plain(state: DurableState) -> object:
        return (
            [row.status for row in state.bookings],
            [row.live for row in state.holds],
            [(row.currency, row.captured_minor, row.refunded_minor, row.captures) for row in state.charges],
            [(row.state, row.currency, row.captured_minor, row.refunded_minor) for row in state.payments],
            [(row.kind, row.entries) for row in state.ledger],
        )

    assert plain(planted.before) == plain(await system.state(slots=[slot]))


async def test_payments_are_planted_at_positions_of_the_providers_list(system: System) -> None:
    shape = next(shape for shape in NEAR_MISSES if shape.name == "paid and booked")
    at = (0, 3, 4, -1)
    planted = await plant(system, [Wanted(shape, position=position) for position in at])
    charges = sorted(charge.id for charge in (await system.state()).charges)
    own = [charge.id for one in planted.ones for charge in planted.before.charges if of(charge, one)]
    assert [charges.index(charge) for charge in own] == [0, 3, 4, len(charges) - 1]
    await planted.clear()


def of(charge: ChargeRow, one: Discrepancy) -> bool:
    return charge.checkout == one.facts["checkout"]


async def test_payments_that_agree_are_examined_and_nothing_is_found(system: System) -> None:
    await system.jobs.settle()
    before, was = await system.reconciliation.reconcile(), await system.state()
    await system.reconciliation.add_matching_payments(40)
    again, now = await system.reconciliation.reconcile(), await system.state()
    assert again.examined == before.examined + 40
    finds_nothing(again, before.differences)
    for part in ("bookings", "charges", "payments", "ledger"):
        assert len(getattr(now, part)) == len(getattr(was, part)) + 40
    never_confirmed_without_ledger(now)
    assert len({row.slot for row in now.bookings} - {row.slot for row in was.bookings}) == 1


async def test_refunds_can_be_kept_pending(system: System) -> None:
    slot = await system.open_slot()
    (ana,) = await system.customers(1)
    bought = await buy(system, ana, slot)
    await system.reconciliation.delay_refunds(True)
    accepted(await system.do(ana.cancels(str(bought.booking))))
    await system.jobs.run("send_outbox")
    (charge,) = (await system.state(slots=[slot])).charges
    assert (charge.refunded_minor, charge.refund_pending_minor) == (0, 2500)
    await system.reconciliation.delay_refunds(False)
    await system.jobs.recover()
    (charge,) = (await system.state(slots=[slot])).charges
    assert (charge.refunded_minor, charge.refund_pending_minor) == (2500, 0)
