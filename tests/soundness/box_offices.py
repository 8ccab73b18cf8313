"""Adapters of the theatre that are wrong in one way each; the theatre itself may be right or not."""

from __future__ import annotations

from dataclasses import replace

from overbooked.targets.adapter import Action, Customer, Money, Slot
from overbooked.targets.client import understood
from tests.second_system.adapter import BoxOffice


class Occupied(BoxOffice):
    """Every show that it opens is full already."""

    async def open_slot(self, *, capacity: int, price: Money, private_venue: bool = False) -> Slot:
        show = await super().open_slot(capacity=capacity, price=price, private_venue=private_venue)
        for guest in await self.customers([(f"guest {n}", "") for n in range(capacity)]):
            action = self.book(guest, show)
            understood(action, await self._send(action.request))
        return show


class WrongPath(BoxOffice):
    """Books at a path that the theatre does not have."""

    def book(self, who: Customer, slot: Slot, *, key: str | None = None) -> Action:
        action = super().book(who, slot, key=key)
        return replace(action, request=replace(action.request, path=f"/v2{action.request.path}"))


class WrongToken(BoxOffice):
    """Sends a session that nobody has."""

    def book(self, who: Customer, slot: Slot, *, key: str | None = None) -> Action:
        return super().book(replace(who, session="nobody"), slot, key=key)


class WrongCancel(BoxOffice):
    """Cancels at a path that the theatre does not have."""

    def cancel(self, who: Customer, booking: str) -> Action:
        action = super().cancel(who, booking)
        return replace(action, request=replace(action.request, path=f"/v2{action.request.path}"))


__all__ = ["Occupied", "WrongCancel", "WrongPath", "WrongToken"]
