"""The adapter of the reference system; `system.toml` names this class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from overbooked.targets.adapter import Account, AdapterContext, Money, Slot
from reference_system.target import parts
from reference_system.target.connections import Connections
from reference_system.target.sessions import CustomerSessions
from reference_system.target.slots import Slots


class ReferenceAdapter:
    """Satisfies `overbooked.targets.adapter.Adapter` with an object for each capability.

    The objects are found by the folder of their modules; they share one `Connections`.
    """

    def __init__(self) -> None:
        self._connections = Connections()
        made: dict[Any, Any] = {part.make: part.make(self._connections) for part in parts.found().values()}
        self._sessions: CustomerSessions = made[CustomerSessions]
        self._slots: Slots = made[Slots]
        # Each part's class declares what it offers.
        self.capabilities = {
            capability: made[part.make] for part in parts.found().values() for capability in part.capabilities
        }

    async def connect(self, context: AdapterContext) -> None:
        """Connect to service and provider, read the clock, log the operator in."""
        await self._connections.connect(context)

    async def close(self) -> None:
        """Close every connection; safe to repeat."""
        await self._connections.close()

    async def open_slot(self, *, capacity: int, price: Money, private_venue: bool = False) -> Slot:
        """Offer a slot at its own price, or in a private venue at that venue's price."""
        return await self._slots.open_slot(capacity=capacity, price=price, private_venue=private_venue)

    async def customers(self, names: Sequence[tuple[str, str]]) -> list[Account]:
        """Register and log in one customer per (name, email), several at a time, over all replicas."""
        return await self._sessions.customers(names)
