"""Purchases to which something may happen, and what must be true of all of them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from overbooked.journeys.buying import Purchase, repeats
from overbooked.oracles.payment_integrity import never_torn, told_the_outcome, whole_again
from overbooked.targets.adapter import DurableState, Slot
from overbooked.targets.system import System

# A client that is told to wait tries again; the lease of whoever died meanwhile has run out by then.
LATER_S = 60
# How often the payment is repeated once all is at rest.
_REPEATS = 2


class Purchases:
    """Purchases of some slots, on which nothing else is going on.

    Args:
        system: where they are made.
        slots: what is bought.
    """

    def __init__(self, system: System, slots: Sequence[Slot]) -> None:
        self.system = system
        self.slots = slots
        self.all: list[Purchase] = []

    def add(self, purchase: Purchase) -> Purchase:
        """Have a purchase judged with the others."""
        self.all.append(purchase)
        return purchase

    async def look(self) -> DurableState:
        """Durable state now; GapFound when payment and booking are torn apart, if only for a moment."""
        state = await self.system.state(slots=self.slots)
        never_torn(state)
        return state

    async def end_well(self, *, first: Sequence[Purchase]) -> None:
        """Everything adds up in the end, and every repeat of a payment is told the same, as it was done.

        Args:
            first: whose clients come back before recovery has been there; the others come after it.

        Raises:
            GapFound: something does not add up, or somebody is told otherwise.
        """
        await self.system.advance(LATER_S)
        await asyncio.gather(*(repeats(self.system, purchase) for purchase in first))
        await self.look()
        await self.system.settle()
        whole_again(await self.look())
        begun = [purchase for purchase in self.all if purchase.checkout is not None]
        for who in {purchase.who.nick: purchase.who for purchase in begun}.values():
            await self.system.log_in(who)
        for replica in range(_REPEATS):
            await asyncio.gather(*(repeats(self.system, each, replica=replica) for each in begun))
        state = await self.look()
        whole_again(state)
        for purchase in begun:
            told_the_outcome(purchase.payments, str(purchase.checkout), state)
