"""Properties: what must hold for any example, and the strategies that make examples."""

from harness.properties.bookings import Step, booking_sequences
from harness.properties.deliveries import Delivery, deliveries
from harness.properties.money import (
    DECIMALS,
    ROUNDINGS,
    Pricing,
    amounts,
    currencies,
    major,
    minor_amounts,
    percentages,
    pricings,
    roundings,
)
from harness.properties.runner import check

__all__ = [
    "DECIMALS",
    "ROUNDINGS",
    "Delivery",
    "Pricing",
    "Step",
    "amounts",
    "booking_sequences",
    "check",
    "currencies",
    "deliveries",
    "major",
    "minor_amounts",
    "percentages",
    "pricings",
    "roundings",
]
