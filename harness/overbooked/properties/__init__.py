"""Properties: what must hold for any example, and the strategies that make examples."""

from overbooked.properties.bookings import Step, booking_sequences
from overbooked.properties.deliveries import Delivery, deliveries
from overbooked.properties.money import (
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
from overbooked.properties.runner import check

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
