"""A client that retries every step of a checkout, the payment with the same idempotency key."""

from __future__ import annotations

from collections.abc import Callable

from overbooked.journeys.buying import PAY, Purchase
from overbooked.system.customer import Customer
from overbooked.system.system import System
from overbooked.targets.adapter import Action, Answer, Slot

# Maximum number of times that a step is sent, and that a checkout is begun with a new quote.
TRIES = 2
STARTS = 3


class RetryingClient:
    """One customer that wants one place.

    Each step is sent again, to the next replica, while its outcome is unknown. If the outcome of beginning a
    checkout stays unknown, the client begins another with a new quote, and the first is left to expire.

    Args:
        replica: index of the first replica to use.
        at: called with the name of each step before it is sent.
    """

    def __init__(
        self,
        system: System,
        who: Customer,
        slot: Slot,
        *,
        method: str = "card",
        replica: int = 0,
        at: Callable[[str], None] = lambda step: None,
    ) -> None:
        self._system = system
        self._replica = replica
        self._at = at
        self.purchase = Purchase(who, slot, who.new_key(), method)

    async def buys(self) -> Purchase:
        """Buy until the payment is answered or the client gives up for now."""
        for _ in range(STARTS):
            if await self._begins():
                await self._pays()
                break
        return self.purchase

    async def _begins(self) -> bool:
        """Do every step before the payment; return whether all succeeded."""
        purchase = self.purchase
        steps = purchase.who.checks_out(purchase.slot, key=purchase.key, method=purchase.method)
        facts: dict[str, object] = {}
        for step in steps:
            if step.name == PAY:
                break
            self._at(step.name)
            answer = await self._sent(step.build(facts))
            facts.update(answer.facts)
            purchase.facts = dict(facts)
            if not answer.ok:
                purchase.stopped_at, purchase.stopped_by = step.name, answer
                return False
        purchase.stopped_at, purchase.stopped_by = "", None
        return True

    async def _pays(self) -> None:
        self._at(PAY)
        purchase = self.purchase
        action = purchase.who.resumes(str(purchase.checkout), key=purchase.key, method=purchase.method)
        await self._sent(action, purchase.payments)

    async def _sent(self, action: Action, answers: list[Answer] | None = None) -> Answer:
        """Send an action until its outcome is known, up to `TRIES` times; return the last answer and add all
        to `answers`."""
        sent = [] if answers is None else answers
        for n in range(TRIES):
            sent.append(await self._system.do(action, replica=self._replica + n))
            if not sent[-1].unknown:
                break
        return sent[-1]
