"""Payments that are in flight when something happens, at a moment that the provider's journal shows."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from overbooked.capabilities.durable_state import DurableState
from overbooked.journeys.interrupted_checkout import settles_later
from overbooked.observe.polling import until
from overbooked.system.customer import Customer
from overbooked.system.steps import StepResults
from overbooked.system.system import System
from overbooked.targets.adapter import Answer, Money, Slot
from overbooked.targets.errors import TargetError

AUTHORISED, CAPTURED = "authorised", "captured"
# Seconds between two tries of a client without an answer: longer than the lease of a killed process.
_LATER_S = 60
_TRIES = 5


@dataclass
class PaymentInFlight:
    """The payment of a checkout that was begun.

    Args:
        who: its customer, with a live session.
        slot: has a place.
        method: a method of payment that ends in a booking.
        moment: AUTHORISED or CAPTURED; a payment that settles later is captured when it is no longer in
            flight, so its moment is AUTHORISED.
        reached: set at its moment.
    """

    system: System
    who: Customer
    slot: Slot
    method: str
    moment: str
    key: str
    before: StepResults
    reached: asyncio.Event = field(default_factory=asyncio.Event)

    @classmethod
    async def begin(
        cls, system: System, who: Customer, *, price: Money, method: str, moment: str
    ) -> PaymentInFlight:
        """Do every request before the payment, on a slot of a private venue.

        Raises:
            TargetError: one was refused.
        """
        slot = await system.open_slot(capacity=2, price=price, private_venue=True)
        key = who.new_key()
        before = await system.walk(who.checks_out(slot, key=key, method=method), until="pay")
        if not before.ok:
            raise TargetError(
                f"a checkout had to begin before its payment, and was answered {before.last.status}"
            )
        moment = AUTHORISED if settles_later(system, method) else moment
        return cls(system, who, slot, method, moment, key, before)

    @property
    def facts(self) -> Mapping[str, Any]:
        """The facts of the checkout before its payment."""
        return self.before.facts

    async def pay(self, *, key: str = "", replica: int = 0) -> Answer:
        """Send the payment; `key` is another idempotency key than the payment's own."""
        action = self.who.resumes(str(self.facts["checkout"]), key=key or self.key, method=self.method)
        return await self.system.do(action, replica=replica)

    async def insist(self) -> Answer:
        """Repeat the payment at each replica, a minute apart, while its outcome is unknown.

        The customer logs in afresh each time. Returns the last answer; after five repeats it may still be
        unknown.
        """
        await self.system.sessions.log_in(self.who)
        answer = await self.pay(replica=1)
        for n in range(_TRIES):
            if not answer.unknown:
                break
            await self.system.clock.advance(_LATER_S)
            await self.system.sessions.log_in(self.who)
            answer = await self.pay(replica=n % 2)
        return answer

    def has_come_to_it(self, state: DurableState) -> bool:
        """Whether the provider has authorised, or captured, the payment, as `moment` says."""
        return any(
            charge.captured_minor > 0 or self.moment == AUTHORISED
            for charge in state.charges
            if charge.checkout == self.facts["checkout"]
        )


async def reach_their_moments(system: System, payments: Sequence[PaymentInFlight]) -> None:
    """Poll the provider's journal until every payment has come to its moment, and set `reached` of all.

    Raises:
        DeadlineExceeded: one did not come to it.
    """

    async def look() -> bool:
        state = await system.state(slots=[payment.slot for payment in payments])
        return all(payment.has_come_to_it(state) for payment in payments)

    await until(look, "every payment has come to its moment")
    for payment in payments:
        payment.reached.set()
