"""Purchases under faults, and the invariants that hold for all of them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from overbooked.capabilities.checkout import STANDARD_METHODS, Settlement
from overbooked.capabilities.durable_state import DurableState
from overbooked.journeys.buying import Purchase, repeat_payment
from overbooked.journeys.methods import transfers_arrive
from overbooked.oracles.payment_integrity import always_consistent, consistent_at_rest, repeats_match_outcome
from overbooked.system.system import System
from overbooked.targets.adapter import Slot

# Seconds after which a client that was told to wait retries and the lease of a dead process has expired.
LATER_S = 60
# How often the payment is repeated at rest.
_REPEATS = 2


class Purchases:
    """Purchases of slots that nothing else uses.

    Args:
        system: the system on which they are made.
        slots: the slots that are bought.
        methods: the methods of payment with their settlements, as `payment_methods` returns them.
    """

    def __init__(
        self,
        system: System,
        slots: Sequence[Slot],
        methods: Mapping[str, Settlement] = STANDARD_METHODS,
    ) -> None:
        self.system = system
        self.slots = slots
        self.methods = methods
        self.all: list[Purchase] = []

    def add(self, purchase: Purchase) -> Purchase:
        """Add a purchase and return it."""
        self.all.append(purchase)
        return purchase

    async def look(self) -> DurableState:
        """Return durable state; raise GapFound if it violates an invariant that holds at every moment."""
        state = await self.system.state(slots=self.slots)
        always_consistent(state)
        return state

    async def transfers_arrive(self) -> None:
        """Make the provider capture every payment that settles later."""
        later = [
            str(purchase.checkout)
            for purchase in self.all
            if purchase.checkout is not None and self.methods.get(purchase.method) is Settlement.LATER
        ]
        await transfers_arrive(self.system, later)

    async def pass_time(self, seconds: float) -> None:
        """Advance the clock, run every job to its end, and log the customers in."""
        await self.transfers_arrive()
        await self.system.clock.advance(seconds)
        await self.system.jobs.settle()
        await self.log_in()

    async def recover(self) -> None:
        """Let leases expire, run the system's own recovery, and log the customers in."""
        await self.system.clock.advance(LATER_S)
        await self.system.jobs.recover()
        await self.log_in()

    async def log_in(self) -> None:
        """Log every customer in afresh, because the clock was moved."""
        for who in {purchase.who.nick: purchase.who for purchase in self.all}.values():
            await self.system.sessions.log_in(who)

    async def assert_consistent(self, *, first: Sequence[Purchase]) -> None:
        """Check that state is consistent at rest and that every retry of a payment gets the recorded outcome.

        Args:
            first: the purchases whose clients retry before recovery; the others retry after it.

        Raises:
            GapFound: state is inconsistent, or a retry gets a different outcome.
        """
        await self.system.clock.advance(LATER_S)
        await asyncio.gather(*(repeat_payment(self.system, purchase) for purchase in first))
        await self.transfers_arrive()
        await self.look()
        await self.system.jobs.settle()
        consistent_at_rest(await self.look())
        begun = [purchase for purchase in self.all if purchase.checkout is not None]
        for who in {purchase.who.nick: purchase.who for purchase in begun}.values():
            await self.system.sessions.log_in(who)
        for replica in range(_REPEATS):
            await asyncio.gather(*(repeat_payment(self.system, each, replica=replica) for each in begun))
        state = await self.look()
        consistent_at_rest(state)
        for purchase in begun:
            repeats_match_outcome(purchase.payments, str(purchase.checkout), state)
