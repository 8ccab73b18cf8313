"""Strategies generate only valid values, and reach rare ones."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import find, given, settings
from hypothesis import strategies as st

from overbooked.properties import (
    DECIMALS,
    BookingStep,
    Delivery,
    PricingCase,
    amounts,
    booking_sequences,
    currencies,
    deliveries,
    major,
    minor_amounts,
    percentages,
    pricings,
)
from overbooked.properties.money import EDGES, FRACTIONS, Sale, edge_sales, sales
from overbooked.properties.runner import shown
from overbooked.targets.adapter import Money

few = settings(max_examples=50, deadline=None, database=None)


@few
@given(amounts(least=1, most=500))
def test_amounts_are_positive_minor_units_of_a_known_currency(money: Money) -> None:
    assert 1 <= money.minor <= 500
    assert money.currency in DECIMALS


@pytest.mark.parametrize("decimals", [0, 2, 3])
def test_currencies_of_every_number_of_decimals_are_drawn(decimals: int) -> None:
    assert DECIMALS[find(currencies(), lambda code: DECIMALS[code] == decimals)] == decimals


def test_amounts_that_a_float_truncates_are_found() -> None:
    truncated = find(amounts(), lambda m: DECIMALS[m.currency] == 2 and int(float(major(m)) * 100) != m.minor)
    assert truncated.minor > 0


def test_an_empty_range_of_amounts_is_refused() -> None:
    with pytest.raises(ValueError, match="least <= most"):
        minor_amounts(least=5, most=4)


@pytest.mark.parametrize(
    ("money", "text"),
    [
        (Money(1999, "EUR"), "19.99"),
        (Money(500, "JPY"), "500"),
        (Money(1234, "KWD"), "1.234"),
        (Money(5, "EUR"), "0.05"),
    ],
)
def test_major_units_are_exact(money: Money, text: str) -> None:
    assert major(money) == text


@few
@given(percentages(least=-10, most=10))
def test_percentages_keep_their_range_and_two_decimals(percent: Decimal) -> None:
    assert -10 <= percent <= 10
    assert percent == round(percent, 2)


def test_a_price_is_rounded_once_at_the_end_and_as_told() -> None:
    # 105 - 50 % = 52.5, + 10 % = 57.75
    assert PricingCase(Money(105), (Decimal(-50),), "ROUND_HALF_EVEN").price == Money(52)
    assert PricingCase(Money(105), (Decimal(-50),), "ROUND_HALF_UP").price == Money(53)
    assert PricingCase(Money(105), (Decimal(-50), Decimal(10)), "ROUND_DOWN").price == Money(57)


def test_prices_on_the_half_of_a_minor_unit_are_found() -> None:
    def on_the_half(pricing: PricingCase) -> bool:
        exact = Decimal(pricing.base.minor)
        for percent in pricing.percents:
            exact += exact * percent / 100
        return exact % 1 == Decimal("0.5")

    assert find(pricings(), on_the_half).percents


@few
@given(deliveries(events=3, repeats=2, most_days=4))
def test_every_event_is_delivered_and_repeats_say_so(sequence: tuple[Delivery, ...]) -> None:
    assert {delivery.event for delivery in sequence} == {0, 1, 2}
    assert 3 <= len(sequence) <= 5
    for position, delivery in enumerate(sequence):
        assert 0 <= delivery.after_days <= 4
        assert delivery.again == (delivery.event in {d.event for d in sequence[:position]})


def test_deliveries_come_late_again_and_in_another_order() -> None:
    every = deliveries(events=2)
    assert find(every, lambda s: any(d.after_days for d in s))
    assert find(every, lambda s: any(d.again for d in s))
    assert find(every, lambda s: s[0].event == 1)[0].event == 1
    assert len({d.event for d in find(deliveries(events=2, lossless=False), lambda s: len(s) == 1)}) == 1


def test_no_event_is_nothing_to_deliver() -> None:
    with pytest.raises(ValueError, match="at least one"):
        find(deliveries(events=0), lambda sequence: True)


@few
@given(booking_sequences(people=2, slots=2))
def test_steps_refer_to_earlier_bookings_of_the_same_person(steps: tuple[BookingStep, ...]) -> None:
    for number, step in enumerate(steps):
        assert step.who in {0, 1}
        assert step.slot in {0, 1}
        if step.verb in {"cancel", "reschedule"}:
            assert step.booking < number
            assert steps[step.booking].verb == "book"
            assert steps[step.booking].who == step.who


@pytest.mark.parametrize("verb", ["book", "cancel", "reschedule", "resize"])
def test_every_verb_is_drawn(verb: str) -> None:
    assert find(booking_sequences(), lambda steps: any(step.verb == verb for step in steps))


def test_verbs_can_be_left_out() -> None:
    with pytest.raises(ValueError, match="expected book"):
        find(booking_sequences(verbs=("cancel",)), lambda steps: True)
    assert find(booking_sequences(verbs=("book", "cancel")), lambda steps: len(steps) > 2)


@dataclass
class Inner:
    price: Decimal
    at: datetime


def test_an_example_is_shown_as_json() -> None:
    example = {1: [Inner(Decimal("1.50"), datetime(2030, 1, 1, tzinfo=UTC))], "raw": b"x", "none": None}
    assert json.loads(json.dumps(shown(example))) == {
        "1": [{"price": "1.50", "at": "2030-01-01 00:00:00+00:00"}],
        "raw": "b'x'",
        "none": None,
    }


@few
@given(st.one_of(amounts(), pricings(), booking_sequences(), deliveries(events=2)))
def test_every_strategy_of_ours_can_be_shown(example: object) -> None:
    json.dumps(shown(example))


CURRENCIES = {"EUR": 2, "JPY": 0, "CLP": 0, "KWD": 3}
ROUNDINGS = ("up", "down")
METHODS = ("card", "bank")


def test_the_edges_meet_every_number_of_decimals_and_the_fractions_every_rounding() -> None:
    found = edge_sales(
        CURRENCIES, ROUNDINGS, METHODS, dearest=10**12, rng=random.Random(1), most_currencies=8
    )
    plain = {(CURRENCIES[sale.price.currency], sale.price.minor) for sale in found if not sale.percent}
    assert plain == {(decimals, minor) for decimals in (0, 2, 3) for minor in (*EDGES, 10**12)}
    changed = {(sale.rounding, sale.price.minor, sale.percent) for sale in found if sale.percent}
    assert changed == {(rounding, *fraction) for rounding in ROUNDINGS for fraction in FRACTIONS}
    assert {sale.price.currency for sale in found} == set(CURRENCIES)
    assert {sale.method for sale in found} == set(METHODS)


def test_fewer_currencies_of_each_number_of_decimals_are_taken_on_request() -> None:
    found = edge_sales(CURRENCIES, ROUNDINGS, METHODS, dearest=10, rng=random.Random(1), most_currencies=1)
    assert len({sale.price.currency for sale in found if not sale.percent}) == 3


@few
@given(sales(CURRENCIES, ROUNDINGS, METHODS))
def test_a_sale_is_in_a_currency_of_the_target_and_paid_by_one_of_its_methods(sale: Sale) -> None:
    assert sale.price.currency in CURRENCIES
    assert sale.rounding in ROUNDINGS
    assert sale.method in METHODS
