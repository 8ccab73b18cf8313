"""Venues, slots and prices, as their operator makes them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from overbooked.targets.adapter import Money, Slot
from reference_system.target.wiring import Wiring

DAY_S = 86_400.0
HOUR_S = 3_600.0
# A venue of a slot's own starts with this rule in force, so that ending a rule is a way to reprice.
STANDING_PERCENT = Decimal(-50)
STANDING_FACTOR = 2  # what undoes it


@dataclass(frozen=True, slots=True)
class Place:
    """Where a slot is: its venue and service, and the rule in force there, if any."""

    venue: str
    service: str
    rule: str = ""


class Offers(Wiring):
    """Opens slots: one request each, once their venue is there."""

    repricings: Sequence[str] = (
        "slot price",
        "service price",
        "slot rule",
        "service rule",
        "venue rule",
        "rule ended",
    )
    roundings: Sequence[str] = ("half_up", "half_even", "half_down", "up", "down")

    def __init__(self) -> None:
        super().__init__()
        self._shared_places: dict[tuple[str, str], Place] = {}
        self._private_places: dict[str, Place] = {}
        # Not from the seed: a scenario repeated on one database needs rooms that are new to it.
        self._rooms = random.SystemRandom()

    @property
    def price_lock_s(self) -> float:
        return self._times.price_lock_ttl_s

    async def open_slot(self, *, capacity: int, price: Money, private_venue: bool = False) -> Slot:
        """Offer a slot at its own price, or in a venue of its own at the price of that."""
        if private_venue:
            venue = await self._venue(price.currency, "half_up")
            rule = await self._rule("venue", venue, STANDING_PERCENT)
            place = Place(venue, await self._service(venue, price.minor * STANDING_FACTOR), rule)
            slot = await self._slot(place, capacity, price, own_price=False)
        else:
            place = await self._shared_place(price.currency, "half_up")
            slot = await self._slot(place, capacity, price, own_price=True)
        return slot

    async def open_priced_slot(self, *, price: Money, percent: Decimal, rounding: str) -> Slot:
        """Offer a slot with a rule of its own."""
        place = await self._shared_place(price.currency, rounding)
        slot = await self._slot(place, 1, price, own_price=True)
        if percent:
            await self._rule("slot", slot.id, percent)
        return slot

    async def reprice(self, slot: Slot, way: str, price: Money) -> None:
        """Change what a slot in a venue of its own costs; exact where four decimals of a per cent are.

        Raises:
            ValueError: no such way, or the slot has no venue of its own.
        """
        place = self._private_places.get(slot.id)
        if place is None or not place.rule:
            raise ValueError("only a slot opened with a private venue is repriced")
        match way:
            case "slot price":
                await self._as_operator(
                    "PATCH", f"/slots/{slot.id}", {"price_minor": price.minor * STANDING_FACTOR}
                )
            case "service price":
                await self._reprice_service(place, price.minor * STANDING_FACTOR)
            case "slot rule":
                await self._rule("slot", slot.id, _percent(slot.price, price))
            case "service rule":
                await self._rule("service", place.service, _percent(slot.price, price))
            case "venue rule":
                await self._rule("venue", place.venue, _percent(slot.price, price))
            case "rule ended":
                await self._reprice_service(place, price.minor)
                await self._as_operator("DELETE", f"/price-rules/{place.rule}")
            case _:
                raise ValueError(f"prices change by {', '.join(self.repricings)}, not by {way!r}")

    # -- what a slot needs ---------------------------------------------------------------------

    async def _shared_place(self, currency: str, rounding: str) -> Place:
        kind = currency, rounding
        if kind not in self._shared_places:
            venue = await self._venue(currency, rounding)
            self._shared_places[kind] = Place(venue, await self._service(venue, 0))
        return self._shared_places[kind]

    async def _venue(self, currency: str, rounding: str) -> str:
        made = await self._as_operator(
            "POST",
            "/venues",
            {"name": "Baths", "timezone": "Europe/Paris", "currency": currency, "rounding": rounding},
        )
        return str(made["id"])

    async def _service(self, venue: str, base_price_minor: int) -> str:
        made = await self._as_operator(
            "POST", f"/venues/{venue}/services", {"name": "Sauna", "base_price_minor": base_price_minor}
        )
        return str(made["id"])

    async def _rule(self, scope: str, scope_id: str, percent: Decimal) -> str:
        made = await self._as_operator(
            "POST", "/price-rules", {"scope": scope, "scope_id": scope_id, "percent": str(percent)}
        )
        return str(made["id"])

    async def _reprice_service(self, place: Place, minor: int) -> None:
        await self._as_operator("PUT", f"/services/{place.service}/price", {"base_price_minor": minor})

    async def _slot(self, place: Place, capacity: int, price: Money, *, own_price: bool) -> Slot:
        starts_at = self._now() + 60 * DAY_S
        made = await self._as_operator(
            "POST",
            "/slots",
            {
                "service_id": place.service,
                "resource_no": self._rooms.getrandbits(61),
                "starts_at": self._utc(starts_at),
                "ends_at": self._utc(starts_at + HOUR_S),
                "capacity": capacity,
                "price_minor": price.minor if own_price else None,
            },
        )
        slot = Slot(id=str(made["id"]), capacity=capacity, price=price)
        if not own_price:
            self._private_places[slot.id] = place
        return slot


def _percent(now: Money, then: Money) -> Decimal:
    """The rule that, added to the standing one, makes `then` of `now`."""
    wanted = (100 + STANDING_PERCENT) * then.minor / now.minor - (100 + STANDING_PERCENT)
    return Decimal(wanted).quantize(Decimal("0.0001"))
