"""A client that retries every step of a checkout, the payment with the same idempotency key."""

from __future__ import annotations

from collections.abc import Callable

from overbooked.journeys.buying import PAY, Purchase
from overbooked.targets.adapter import Action, Answer, Slot
from overbooked.targets.person import Person
from overbooked.targets.system import System

# How often a step is sent, and how often a checkout is begun from the quote on.
TRIES = 2
STARTS = 3


class Insisting:
    """One person who wants one place.

    Each step is sent again, to the next replica, while its outcome is unknown. Whoever does not learn
    what became of beginning a checkout begins another, with a new quote; the one he does not know of is
    left to expire.

    Args:
        replica: where he turns to first.
        at: told of the step he is at.
    """

    def __init__(
        self,
        system: System,
        who: Person,
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
        """Everything up to an answer to the payment, or to giving up for now."""
        for _ in range(STARTS):
            if await self._begins():
                await self._pays()
                break
        return self.purchase

    async def _begins(self) -> bool:
        """All steps before the payment; False when it ended before that."""
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
        """The last answer to sending it until somebody says how it ended; all go into `answers`."""
        sent = [] if answers is None else answers
        for n in range(TRIES):
            sent.append(await self._system.do(action, replica=self._replica + n))
            if not sent[-1].unknown:
                break
        return sent[-1]
