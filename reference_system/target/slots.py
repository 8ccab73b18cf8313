"""Venues, slots and prices, created by their operator."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from overbooked.capabilities.pricing import PRICING
from overbooked.targets.adapter import Money, Slot
from reference_system.target.connections import Connections
from reference_system.target.parts import offers

DAY_S = 86_400.0
HOUR = timedelta(hours=1)
# A private venue starts with this rule in force, so that ending a rule is a way to reprice.
STANDING_PERCENT = Decimal(-50)
STANDING_FACTOR = 2  # prices in such a venue are multiplied by this to compensate
# By decimals: every currency without any or with three, which a system of two decimals gets wrong, and those
# with two that are often taken for one without.
CURRENCIES: Mapping[int, str] = {
    2: "EUR USD GBP HUF IDR TWD MGA",
    0: "JPY BIF CLP DJF GNF ISK KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
    3: "KWD BHD IQD JOD LYD OMR TND",
}


@dataclass(frozen=True, slots=True)
class Place:
    """The venue and the service of a slot, and the price rule in force there, if any."""

    venue: str
    service: str
    rule: str = ""


@offers(PRICING)
class Slots:
    """Opens slots, one request each if their venue exists, and changes their prices."""

    repricings: Sequence[str] = (
        "slot price",
        "service price",
        "slot rule",
        "service rule",
        "venue rule",
        "rule ended",
        "own price dropped",
    )
    currencies: Mapping[str, int] = {
        code: decimals for decimals, codes in CURRENCIES.items() for code in codes.split()
    }
    dearest_minor = 10**15
    roundings: Sequence[str] = ("half_up", "half_even", "half_down", "up", "down")

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._shared_places: dict[tuple[str, str], Place] = {}
        self._private_places: dict[str, Place] = {}
        # Not derived from the seed: a scenario that is repeated on one database needs new resources.
        self._rooms = random.SystemRandom()

    @property
    def price_lock_s(self) -> float:
        return self._connections.times.price_lock_ttl_s

    async def open_slot(self, *, capacity: int, price: Money, private_venue: bool = False) -> Slot:
        """Offer a slot at its own price, or in a private venue at that venue's price."""
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
        """Offer a slot with a rule of its own, if a percentage is given."""
        place = await self._shared_place(price.currency, rounding)
        slot = await self._slot(place, 1, price, own_price=True)
        if percent:
            await self._rule("slot", slot.id, percent)
        return slot

    async def reprice(self, slot: Slot, way: str, price: Money) -> None:
        """Change the price of a slot in a private venue; exact if the percentage has at most four decimals.

        Raises:
            ValueError: there is no such way, or the slot has no private venue.
        """
        place = self._private_places.get(slot.id)
        if place is None or not place.rule:
            raise ValueError("only a slot opened with private_venue=True can be repriced")
        match way:
            case "slot price":
                await self._connections.as_operator(
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
                await self._connections.as_operator("DELETE", f"/price-rules/{place.rule}")
            case "own price dropped":
                # First a price of its own, the quoted one; without it, the slot costs what its service costs.
                quoted = {"price_minor": slot.price.minor * STANDING_FACTOR}
                await self._connections.as_operator("PATCH", f"/slots/{slot.id}", quoted)
                await self._reprice_service(place, price.minor * STANDING_FACTOR)
                await self._connections.as_operator("PATCH", f"/slots/{slot.id}", {"price_minor": None})
            case _:
                raise ValueError(f"prices change by {', '.join(self.repricings)}, not by {way!r}")

    # -- venues and services -------------------------------------------------------------------

    async def _shared_place(self, currency: str, rounding: str) -> Place:
        kind = currency, rounding
        if kind not in self._shared_places:
            venue = await self._venue(currency, rounding)
            self._shared_places[kind] = Place(venue, await self._service(venue, 0))
        return self._shared_places[kind]

    async def _venue(self, currency: str, rounding: str) -> str:
        made = await self._connections.as_operator(
            "POST",
            "/venues",
            {"name": "Baths", "timezone": "Europe/Paris", "currency": currency, "rounding": rounding},
        )
        return str(made["id"])

    async def _service(self, venue: str, base_price_minor: int) -> str:
        made = await self._connections.as_operator(
            "POST", f"/venues/{venue}/services", {"name": "Sauna", "base_price_minor": base_price_minor}
        )
        return str(made["id"])

    async def _rule(self, scope: str, scope_id: str, percent: Decimal) -> str:
        made = await self._connections.as_operator(
            "POST", "/price-rules", {"scope": scope, "scope_id": scope_id, "percent": str(percent)}
        )
        return str(made["id"])

    async def _reprice_service(self, place: Place, minor: int) -> None:
        await self._connections.as_operator(
            "PUT", f"/services/{place.service}/price", {"base_price_minor": minor}
        )

    async def _slot(self, place: Place, capacity: int, price: Money, *, own_price: bool) -> Slot:
        starts_at = self._connections.moment(60 * DAY_S)
        made = await self._connections.as_operator(
            "POST",
            "/slots",
            {
                "service_id": place.service,
                "resource_no": self._rooms.getrandbits(61),
                "starts_at": starts_at.isoformat(),
                "ends_at": (starts_at + HOUR).isoformat(),
                "capacity": capacity,
                "price_minor": price.minor if own_price else None,
            },
        )
        slot = Slot(id=str(made["id"]), capacity=capacity, price=price)
        if not own_price:
            self._private_places[slot.id] = place
        return slot


def _percent(now: Money, then: Money) -> Decimal:
    """Return the percentage that, added to the standing rule's, changes the price from `now` to `then`."""
    wanted = (100 + STANDING_PERCENT) * then.minor / now.minor - (100 + STANDING_PERCENT)
    return Decimal(wanted).quantize(Decimal("0.0001"))
