"""Converts amounts of the API (decimal strings in major units) to those of the journal (minor units)."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

from reference_system.payment_provider.errors import invalid

# ISO 4217 exponents other than two.
WITHOUT_DECIMALS = (
    "BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW",
    "PYG", "RWF", "UGX", "UYI", "VND", "VUV", "XAF", "XOF", "XPF",
)  # fmt: skip
WITH_THREE_DECIMALS = ("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND")
EXPONENTS = {
    **dict.fromkeys(WITHOUT_DECIMALS, 0),
    **dict.fromkeys(WITH_THREE_DECIMALS, 3),
    **dict.fromkeys(("CLF", "UYW"), 4),
}


def to_minor(amount: object, currency: str) -> int:
    """Convert major to minor units: `"19.99"` EUR is 1999. Raises Refused unless it is an exact amount."""
    if not isinstance(amount, str):
        raise invalid(f"an amount is a decimal string, not {amount!r}")
    try:
        minor = Decimal(amount).scaleb(exponent(currency))
        whole = int(minor)
    except (InvalidOperation, ValueError, OverflowError):
        raise invalid(f"{amount!r} is no amount") from None
    if minor != whole or whole < 0:
        raise invalid(f"{amount!r} is no amount of {currency}")
    return whole


def to_major(minor: int, currency: str) -> str:
    """Convert minor to major units with all decimals of the currency: 1999 EUR is `"19.99"`."""
    return format(Decimal(minor).scaleb(-exponent(currency)), "f")


def exponent(currency: str) -> int:
    return EXPONENTS.get(currency, 2)
