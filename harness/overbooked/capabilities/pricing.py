"""Prices that change and that must be rounded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Protocol

from overbooked.capabilities import declare
from overbooked.targets.adapter import Money, Slot


class Pricing(Protocol):
    """Change prices, and offer slots whose price must be rounded."""

    @property
    def repricings(self) -> Sequence[str]:
        """The ways in which this system's prices can change."""

    async def reprice(self, slot: Slot, way: str, price: Money) -> None:
        """Change the slot's current price in one of the ways of `repricings`; existing quotes do not change.

        Some ways change all prices of the slot's venue, so open the slot with `private_venue`.
        """

    @property
    def roundings(self) -> Sequence[str]:
        """The rules by which this system rounds to the minor unit."""

    async def open_priced_slot(self, *, price: Money, percent: Decimal, rounding: str) -> Slot:
        """Offer a slot that costs `price` changed by `percent` (from -100), rounded by `rounding`.

        `Slot.price` is the price before the change; the system computes the price after it.
        """

    @property
    def currencies(self) -> Mapping[str, int]:
        """The currencies in which this system sells, each with the number of its decimals (ISO 4217)."""

    @property
    def dearest_minor(self) -> int:
        """The largest price of a slot that this system accepts, in minor units."""

    @property
    def price_lock_s(self) -> float:
        """Seconds for which a quote is valid."""


PRICING = declare("pricing", Pricing)
