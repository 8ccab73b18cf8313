"""Payments of which the service has yet to hear: the provider has done its part and told nobody."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from overbooked.journeys.buying import buys
from overbooked.targets.adapter import DurableState, ProviderEvent, Slot
from overbooked.targets.errors import TargetFailed
from overbooked.targets.person import Person
from overbooked.targets.system import System

BANK = "bank"
# A system may answer an event with an error that often before it gives it up and acknowledges it.
_ROUNDS = 12


@dataclass(frozen=True, slots=True)
class Unheard:
    """A payment whose events are in the provider's journal and were not delivered.

    Args:
        system: where it was made.
        slot: what was bought, on which nothing else is going on.
        events: as they happened, oldest first.
    """

    system: System
    slot: Slot
    checkout: str
    charge: str
    events: Sequence[ProviderEvent]

    async def state(self) -> DurableState:
        """What is recorded of it now, here and at the provider."""
        return await self.system.state(checkouts=[self.checkout])

    async def unacknowledged(self) -> list[ProviderEvent]:
        """The events that the provider would deliver again, by its journal."""
        return [event for event in await self.system.events([self.charge]) if not event.acknowledged]

    async def heard(self) -> int:
        """The provider delivers what was not acknowledged, oldest first, until all is or it gives up.

        Returns:
            How many deliveries it took; 0: everything had been acknowledged.
        """
        deliveries = 0
        for _ in range(_ROUNDS):
            waiting = await self.unacknowledged()
            if not waiting:
                break
            for event in waiting:
                await self.system.redeliver(event)
            deliveries += len(waiting)
        return deliveries


async def pays_unheard(
    system: System, who: Person, *, method: str = BANK, refunds: Sequence[int] = ()
) -> Unheard:
    """Buy a place, have the provider take the money and give some back, and keep its events from the
    service. The provider's deliveries must be held (`System.hold_deliveries`).

    Args:
        method: "bank" leaves all of the payment to be told by webhook; of a "card" the service knows
            from its own calls, and the events come after the fact.
        refunds: made at the provider, in minor units, one after another.

    Raises:
        TargetFailed: the place was not bought.
    """
    slot = await system.open_slot()
    bought = await buys(system, who, slot, method=method)
    if bought.checkout is None or bought.outcome is None or not bought.outcome.ok:
        raise TargetFailed(
            f"{who!r} had to buy a place by {method}, got {bought.stopped_by or bought.outcome}"
        )
    if method == BANK:
        await system.provider_pays(bought.checkout)
    charges = (await system.state(checkouts=[bought.checkout])).charges
    if len(charges) != 1:
        raise TargetFailed(f"checkout {bought.checkout} was to be paid by one charge, found {len(charges)}")
    charge = charges[0].id
    for minor in refunds:
        await system.provider_refunds(charge, minor)
    events = await system.events([charge])
    told = [event.id for event in events if event.acknowledged]
    if told or not events:
        raise TargetFailed(f"charge {charge} was to have events, none of them delivered; delivered: {told}")
    return Unheard(system, slot, bought.checkout, charge, events)
