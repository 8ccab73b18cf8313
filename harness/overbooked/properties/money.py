"""Money: amounts, currencies of every number of decimals, percentages and roundings.

Amounts for which binary floating point is inexact are more likely: 19.99 * 100 is 1998.9999999999998,
1.15 * 100 is 114.99999999999999, and 2.675 rounds down to 2.67 to two decimals.
"""

from __future__ import annotations

import decimal
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from hypothesis import strategies as st

from overbooked.targets.adapter import Money

# Decimals of each currency's minor unit (ISO 4217).
DECIMALS: Final[Mapping[str, int]] = {
    "EUR": 2,
    "USD": 2,
    "GBP": 2,
    "JPY": 0,
    "KRW": 0,
    "CLP": 0,
    "KWD": 3,
    "BHD": 3,
    "TND": 3,
}

ROUNDINGS: Final[tuple[str, ...]] = (
    decimal.ROUND_HALF_UP,
    decimal.ROUND_HALF_EVEN,
    decimal.ROUND_HALF_DOWN,
    decimal.ROUND_UP,
    decimal.ROUND_DOWN,
)

# Amounts whose major unit has no exact binary form and whose product with the scale is below a whole
# number, or that are exactly half a minor unit after a percentage.
AWKWARD_MINOR: Final[tuple[int, ...]] = (
    1,
    5,
    29,
    57,
    58,
    105,
    113,
    115,
    1005,
    1999,
    2675,
    4035,
    8192,
    999_999,
)

MOST_MINOR: Final = 99_999_999


def currencies() -> st.SearchStrategy[str]:
    """A currency code. The number of decimals is drawn first, so 0, 2 and 3 are equally likely."""
    by_decimals = sorted(set(DECIMALS.values()), key=lambda n: (n != 2, n))
    return st.sampled_from(by_decimals).flatmap(
        lambda n: st.sampled_from([code for code, decimals in DECIMALS.items() if decimals == n])
    )


def minor_amounts(*, least: int = 1, most: int = MOST_MINOR) -> st.SearchStrategy[int]:
    """An amount in minor units, half of the time an awkward one or one near a round sum."""
    if not 0 <= least <= most:
        raise ValueError(f"expected 0 <= least <= most, found least={least}, most={most}")
    awkward = [minor for minor in AWKWARD_MINOR if least <= minor <= most]
    anywhere = st.integers(least, most)
    return st.one_of(anywhere, st.sampled_from(awkward)) if awkward else anywhere


def amounts(*, least: int = 1, most: int = MOST_MINOR) -> st.SearchStrategy[Money]:
    """An amount of money in any currency, `least` to `most` minor units."""
    return st.builds(Money, minor_amounts(least=least, most=most), currencies())


def floats_fall_short(money: Money) -> bool:
    """Whether the amount, parsed as a float of major units, is one minor unit too small."""
    return int(float(major(money)) * 10 ** DECIMALS[money.currency]) != money.minor


def amounts_floats_fall_short_of(*, most: int = 5_000) -> st.SearchStrategy[Money]:
    """An amount of up to `most` minor units for which `floats_fall_short`, with two or three decimals."""
    return st.sampled_from(
        [
            money
            for currency in ("EUR", "KWD")
            for minor in range(1, most + 1)
            if floats_fall_short(money := Money(minor, currency))
        ]
    )


def percentages(*, least: int = -90, most: int = 300) -> st.SearchStrategy[Decimal]:
    """A change of price in per cent with up to two decimals, e.g. -12.5 or 7.25."""
    awkward = [p for p in (0, 5, 10, 33, -15) if least <= p <= most]
    return st.one_of(
        st.sampled_from([Decimal(p) for p in awkward or [least]]),
        st.integers(least * 100, most * 100).map(lambda hundredths: Decimal(hundredths) / 100),
    )


def roundings() -> st.SearchStrategy[str]:
    """A rounding of half minor units, as a name of the `decimal` module."""
    return st.sampled_from(ROUNDINGS)


@dataclass(frozen=True, slots=True)
class PricingCase:
    """A base price, the percentages applied to it in turn, and the rounding of the result."""

    base: Money
    percents: tuple[Decimal, ...]
    rounding: str

    @property
    def price(self) -> Money:
        """The exact price: percentages applied one after another, rounded once, at the end."""
        exact = Decimal(self.base.minor)
        with decimal.localcontext(prec=60):
            for percent in self.percents:
                exact += exact * percent / 100
            return Money(int(exact.quantize(Decimal(1), rounding=self.rounding)), self.base.currency)


def pricings(*, most_percents: int = 3) -> st.SearchStrategy[PricingCase]:
    """A base price with up to `most_percents` percentages and a rounding."""
    percents = st.lists(percentages(), max_size=most_percents).map(tuple)
    return st.builds(PricingCase, amounts(), percents, roundings())


@dataclass(frozen=True, slots=True)
class Sale:
    """A price in some currency, changed by a percentage, rounded by one of the target's rules, and how it is
    paid."""

    price: Money
    percent: Decimal
    rounding: str
    method: str = "card"


# Prices at which representations end: nothing, one minor unit, the digits after the separator, a thousands
# separator, an exponent where trailing zeros are dropped, 32-bit integers. Floats fall short of 1999.
EDGES: Final[tuple[int, ...]] = (0, 1, 10, 99, 1999, 100_000, 2**31)
# A price and a percentage whose product is a half after an odd or an even number, a quarter, three quarters:
# every two rules of rounding differ in one of them.
FRACTIONS: Final[tuple[tuple[int, Decimal], ...]] = (
    (1003, Decimal(-50)),
    (1005, Decimal(-50)),
    (1009, Decimal(-75)),
    (1011, Decimal(-75)),
)


def edge_sales(
    currencies: Mapping[str, int],
    roundings: Sequence[str],
    methods: Sequence[str],
    *,
    dearest: int,
    rng: random.Random,
    most_currencies: int,
) -> list[Sale]:
    """Return the sales that are tried always.

    Each edge and the dearest price in a currency of each number of decimals; each currency, up to
    `most_currencies` of each number of decimals; each fraction of a minor unit under each rounding.
    """
    edges = [*EDGES, dearest]
    found = []
    for wanted in sorted(set(currencies.values())):
        codes = sorted(code for code, decimals in currencies.items() if decimals == wanted)
        rng.shuffle(codes)
        codes = codes[: max(most_currencies, 1)]
        for n in range(max(len(edges), len(codes))):
            price = Money(edges[n % len(edges)], codes[n % len(codes)])
            found.append(Sale(price, Decimal(0), rng.choice(roundings), methods[n % len(methods)]))
    for rounding in roundings:
        for minor, percent in FRACTIONS:
            price = Money(minor, rng.choice(sorted(currencies)))
            found.append(Sale(price, percent, rounding, rng.choice(methods)))
    return found


def sales(
    currencies: Mapping[str, int], roundings: Sequence[str], methods: Sequence[str]
) -> st.SearchStrategy[Sale]:
    """A sale at any price, up to fifty thousand major units of two decimals, half of the time changed."""
    by_decimals = sorted(set(currencies.values()))
    code = st.sampled_from(by_decimals).flatmap(
        lambda wanted: st.sampled_from(sorted(c for c, decimals in currencies.items() if decimals == wanted))
    )
    return st.builds(
        Sale,
        st.builds(Money, minor_amounts(most=5_000_000), code),
        st.one_of(st.just(Decimal(0)), percentages()),
        st.sampled_from(roundings),
        st.sampled_from(methods),
    )


def major(money: Money) -> str:
    """Return the amount in major units, e.g. "19.99", "500" or "1.234"; exact."""
    decimals = DECIMALS[money.currency]
    return f"{Decimal(money.minor).scaleb(-decimals):.{decimals}f}"
