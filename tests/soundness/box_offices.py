"""Adapters of the theatre with one defect each; the theatre itself may be correct or not."""

from __future__ import annotations

from dataclasses import replace

from overbooked.targets.adapter import Account, Action, Money, Slot
from overbooked.targets.client import parse_answer
from tests.second_system.adapter import BoxOffice


class Occupied(BoxOffice):
    """Opens only shows that are full."""

    async def open_slot(self, *, capacity: int, price: Money, private_venue: bool = False) -> Slot:
        show = await super().open_slot(capacity=capacity, price=price, private_venue=private_venue)
        for guest in await self.customers([(f"guest {n}", "") for n in range(capacity)]):
            action = self.book(guest, show)
            parse_answer(action, await self._send(action.request))
        return show


class WrongPath(BoxOffice):
    """Books at a path that the theatre does not have."""

    def book(self, who: Account, slot: Slot, *, key: str | None = None) -> Action:
        action = super().book(who, slot, key=key)
        return replace(action, request=replace(action.request, path=f"/v2{action.request.path}"))


class WrongToken(BoxOffice):
    """Sends a session that does not exist."""

    def book(self, who: Account, slot: Slot, *, key: str | None = None) -> Action:
        return super().book(replace(who, session="nobody"), slot, key=key)


class WrongCancel(BoxOffice):
    """Cancels at a path that the theatre does not have."""

    def cancel(self, who: Account, booking: str) -> Action:
        action = super().cancel(who, booking)
        return replace(action, request=replace(action.request, path=f"/v2{action.request.path}"))


__all__ = ["Occupied", "WrongCancel", "WrongPath", "WrongToken"]
