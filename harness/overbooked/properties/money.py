"""Money: amounts, currencies of every number of decimals, percentages and roundings.

Amounts lean towards those that binary floating point gets wrong: 19.99 * 100 is 1998.9999999999998,
1.15 * 100 is 114.99999999999999, and 2.675 rounds down to 2.67 to two decimals.
"""

from __future__ import annotations

import decimal
from collections.abc import Mapping
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

# Minor units whose major unit has no exact binary form and whose product with the scale falls short
# of a whole number, or that sit on a half once a percentage is taken.
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
    """A currency code: the number of decimals first, so that none, two and three are as likely."""
    by_decimals = sorted(set(DECIMALS.values()), key=lambda n: (n != 2, n))
    return st.sampled_from(by_decimals).flatmap(
        lambda n: st.sampled_from([code for code, decimals in DECIMALS.items() if decimals == n])
    )


def minor_amounts(*, least: int = 1, most: int = MOST_MINOR) -> st.SearchStrategy[int]:
    """An amount in minor units, half of the time an awkward one or one near a round sum."""
    if not 0 <= least <= most:
        raise ValueError(f"wanted 0 <= least <= most, found least={least}, most={most}")
    awkward = [minor for minor in AWKWARD_MINOR if least <= minor <= most]
    anywhere = st.integers(least, most)
    return st.one_of(anywhere, st.sampled_from(awkward)) if awkward else anywhere


def amounts(*, least: int = 1, most: int = MOST_MINOR) -> st.SearchStrategy[Money]:
    """An amount of money in any currency, `least` to `most` minor units."""
    return st.builds(Money, minor_amounts(least=least, most=most), currencies())


def floats_fall_short(money: Money) -> bool:
    """Whether the amount, written in major units and read as a float, comes out a minor unit short."""
    return int(float(major(money)) * 10 ** DECIMALS[money.currency]) != money.minor


def amounts_floats_fall_short_of(*, most: int = 5_000) -> st.SearchStrategy[Money]:
    """An amount of up to `most` minor units that `floats_fall_short` of, with two or three decimals."""
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
    """How half a minor unit is rounded, by the names of the `decimal` module."""
    return st.sampled_from(ROUNDINGS)


@dataclass(frozen=True, slots=True)
class Pricing:
    """A base price, what is added to it or taken off in turn, and how the result is rounded."""

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


def pricings(*, most_percents: int = 3) -> st.SearchStrategy[Pricing]:
    """A price with up to some percentages on it."""
    percents = st.lists(percentages(), max_size=most_percents).map(tuple)
    return st.builds(Pricing, amounts(), percents, roundings())


def major(money: Money) -> str:
    """The amount as people write it, e.g. "19.99", "500" or "1.234"; exact."""
    decimals = DECIMALS[money.currency]
    return f"{Decimal(money.minor).scaleb(-decimals):.{decimals}f}"
