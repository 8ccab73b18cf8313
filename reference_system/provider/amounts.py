"""Amounts as the API has them (decimal strings in major units) and as the journal has them (minor)."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

from reference_system.provider.errors import invalid

# ISO 4217 exponents that are not two.
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
    """`"19.99"` EUR is 1999; raises Refused for anything that is no exact amount of the currency."""
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
    """1999 EUR is `"19.99"`, with every decimal the currency has."""
    return format(Decimal(minor).scaleb(-exponent(currency)), "f")


def exponent(currency: str) -> int:
    return EXPONENTS.get(currency, 2)
