"""Amounts and prices: exact in every currency, rounded once by the venue's rounding."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reference_system.booking.pricing import money, price

CURRENCIES = ("JPY", "EUR", "KWD", "UYW")
ROUNDINGS = ("half_up", "half_even", "half_down", "up", "down")

minor = st.integers(0, 10**15)
percents = st.decimals(-100, 1000, places=4)


@pytest.mark.parametrize(
    ("minor", "currency", "major"),
    [
        (1999, "EUR", "19.99"),
        (500, "JPY", "500"),
        (1234, "KWD", "1.234"),
        (5, "KWD", "0.005"),
        (0, "EUR", "0.00"),
        (10**15, "EUR", "10000000000000.00"),
        (-1999, "EUR", "-19.99"),
    ],
)
def test_minor_units_are_written_with_the_currencys_decimals(minor: int, currency: str, major: str) -> None:
    assert money.to_major(minor, currency) == major
    assert money.to_minor(major, currency) == minor


@given(minor, st.sampled_from(CURRENCIES))
def test_an_amount_survives_the_way_there_and_back(minor: int, currency: str) -> None:
    assert money.to_minor(money.to_major(minor, currency), currency) == minor


@pytest.mark.parametrize(
    ("major", "currency"),
    [("1.5", "JPY"), ("0.001", "EUR"), ("", "EUR"), ("ten", "EUR"), ("NaN", "EUR"), ("Infinity", "EUR")],
)
def test_what_is_no_amount_of_the_currency_is_refused(major: str, currency: str) -> None:
    with pytest.raises(ValueError, match=currency):
        money.to_minor(major, currency)


def test_a_currency_that_does_not_exist_is_refused() -> None:
    assert not money.is_currency("XXX")
    with pytest.raises(ValueError, match="no currency 'XXX'"):
        money.exponent("XXX")


@pytest.mark.parametrize(
    ("rounding", "of_half", "of_one_and_a_half"),
    [("half_up", 1, 2), ("half_even", 0, 2), ("half_down", 0, 1), ("up", 1, 2), ("down", 0, 1)],
)
def test_halves_go_where_the_venue_sends_them(rounding: str, of_half: int, of_one_and_a_half: int) -> None:
    assert price.rounded(Decimal("0.5"), rounding) == of_half
    assert price.rounded(Decimal("1.5"), rounding) == of_one_and_a_half


@given(minor, percents, st.sampled_from(ROUNDINGS), st.sampled_from(CURRENCIES))
def test_a_price_is_within_one_minor_unit_of_the_exact_one(
    base: int, percent: Decimal, rounding: str, currency: str
) -> None:
    exact = Fraction(base) * (100 + Fraction(percent)) / 100
    off = price.price(base, percent, rounding, currency).amount_minor - exact
    if rounding == "up":
        assert 0 <= off < 1
    elif rounding == "down":
        assert -1 < off <= 0
    else:
        assert abs(off) <= Fraction(1, 2)


@given(minor, st.sampled_from(ROUNDINGS))
def test_without_rules_the_price_is_the_base_price(base: int, rounding: str) -> None:
    assert price.price(base, Decimal(0), rounding, "EUR").amount_minor == base


def test_a_price_is_never_below_nothing() -> None:
    assert price.price(1999, Decimal(-150), "half_up", "EUR").amount_minor == 0
