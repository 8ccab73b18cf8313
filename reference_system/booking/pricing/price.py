"""The price of a slot: the base price, changed by the rules in force, rounded once as its venue rounds."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import (
    ROUND_CEILING,
    ROUND_DOWN,
    ROUND_HALF_DOWN,
    ROUND_HALF_EVEN,
    ROUND_HALF_UP,
    Context,
    Decimal,
)
from typing import Literal

Rounding = Literal["half_up", "half_even", "half_down", "up", "down"]

_ROUNDINGS = {
    "half_up": ROUND_HALF_UP,
    "half_even": ROUND_HALF_EVEN,
    "half_down": ROUND_HALF_DOWN,
    "up": ROUND_CEILING,
    "down": ROUND_DOWN,
}
# Precise enough that only the last step rounds.
_EXACT = Context(prec=60)


@dataclass(frozen=True, slots=True)
class Price:
    """An amount in minor units of a currency."""

    amount_minor: int
    currency: str


def adjusted(base_minor: int, percent: Decimal) -> Decimal:
    """Return the base price changed by `percent` (10 is a tenth more), in minor units, unrounded."""
    return _EXACT.divide(
        _EXACT.multiply(Decimal(base_minor), _EXACT.add(Decimal(100), percent)), Decimal(100)
    )


def rounded(exact_minor: Decimal, rounding: str) -> int:
    """Round to whole minor units; `up` rounds towards positive infinity, `down` towards zero."""
    return int(exact_minor.quantize(Decimal(1), rounding=_ROUNDINGS[rounding], context=_EXACT))


def price(base_minor: int, percent: Decimal, rounding: str, currency: str) -> Price:
    """Return the amount to charge, at least 0."""
    return Price(max(0, rounded(adjusted(base_minor, percent), rounding)), currency)
