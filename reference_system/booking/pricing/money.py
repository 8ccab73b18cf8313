"""Amounts: integer minor units internally, decimal strings in major units in the API (ISO 4217)."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

_DECIMALS = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
    3: "BHD IQD JOD KWD LYD OMR TND",
    4: "CLF UYW",
    2: """
        AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF
        CNY COP CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL
        HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT
        MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB
        SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH
        USD UYU UZS VES WST XCD YER ZAR ZMW ZWG
    """,
}
_EXPONENTS = {code: decimals for decimals, codes in _DECIMALS.items() for code in codes.split()}


def is_currency(code: str) -> bool:
    """Whether a code is a supported currency."""
    return code in _EXPONENTS


def exponent(currency: str) -> int:
    """Return the number of decimals of a currency; raises ValueError for an unknown one."""
    try:
        return _EXPONENTS[currency]
    except KeyError:
        raise ValueError(f"there is no currency {currency!r}") from None


def to_major(minor: int, currency: str) -> str:
    """Convert minor units to a decimal string with the currency's decimals: 1999 EUR is "19.99"."""
    decimals = exponent(currency)
    return f"{Decimal(minor).scaleb(-decimals):.{decimals}f}"


def to_minor(major: str, currency: str) -> int:
    """Convert a decimal string to minor units, exactly: "19.99" EUR is 1999.

    Raises ValueError if it is not a number or has more decimals than the currency.
    """
    try:
        minor = Decimal(major).scaleb(exponent(currency))
        whole = int(minor)
    except (InvalidOperation, OverflowError, ValueError) as error:
        raise ValueError(f"{major!r} is no amount of {currency}") from error
    if minor != whole:
        raise ValueError(f"{major!r} has more decimals than {currency}")
    return whole
