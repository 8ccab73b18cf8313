"""Properties that must hold for any example, and strategies that generate examples."""

from overbooked.properties.bookings import BookingStep, booking_sequences
from overbooked.properties.deliveries import Delivery, deliveries
from overbooked.properties.money import (
    DECIMALS,
    ROUNDINGS,
    PricingCase,
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
    "BookingStep",
    "Delivery",
    "PricingCase",
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
