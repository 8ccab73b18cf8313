"""Buying a place through checkout, as people do who lose the connection and try again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from overbooked.targets.adapter import Answer, Slot
from overbooked.targets.person import Person
from overbooked.targets.system import System

PAY = "pay"


@dataclass(slots=True)
class Purchase:
    """One person's attempt to buy one place, with every answer to the payment, in order.

    `stopped_at` names the step before the payment at which it ended, if it did not get that far;
    `stopped_by` is the answer that ended it.
    """

    who: Person
    slot: Slot
    key: str
    method: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    payments: list[Answer] = field(default_factory=list)
    stopped_at: str = ""
    stopped_by: Answer | None = None

    @property
    def checkout(self) -> str | None:
        """The checkout's id once it was begun."""
        found = self.facts.get("checkout")
        return None if found is None else str(found)

    @property
    def outcome(self) -> Answer | None:
        """The first conclusive answer to the payment; None while there is none."""
        return next((answer for answer in self.payments if not answer.unknown), None)

    @property
    def booking(self) -> str | None:
        """The booking's id when the payment was answered with one."""
        found = self.outcome.facts.get("booking") if self.outcome else None
        return None if found is None else str(found)


async def begins(
    system: System,
    who: Person,
    slot: Slot,
    *,
    method: str = "card",
    key: str | None = None,
    replica: int | None = None,
) -> Purchase:
    """Walk through checkout up to the payment, which `repeats` sends, the first time too.

    Args:
        method: "card", "declined card" or "bank".
        key: the idempotency key of the payment; default a new one.
        replica: which replica serves it, from 0; default the first.
    """
    purchase = Purchase(who, slot, key or who.new_key(), method)
    steps = who.checks_out(slot, key=purchase.key, method=method)
    begun = await system.walk(steps, until=PAY, replica=replica)
    purchase.facts = begun.facts
    if not begun.ok:
        purchase.stopped_at, purchase.stopped_by = list(begun)[-1], begun.last
    return purchase


async def buys(
    system: System,
    who: Person,
    slot: Slot,
    *,
    method: str = "card",
    key: str | None = None,
    tries: int = 1,
    replica: int | None = None,
) -> Purchase:
    """Walk through checkout; repeat the payment with its key while its outcome is unknown.

    Args:
        method, key, replica: as for `begins`.
        tries: how often the payment is sent at most, at once and without waiting in between.
    """
    purchase = await begins(system, who, slot, method=method, key=key, replica=replica)
    if purchase.stopped_at:
        return purchase
    steps = who.checks_out(slot, key=purchase.key, method=method)
    for _ in range(tries):
        paid = await system.walk(steps, facts=purchase.facts, since=PAY, replica=replica)
        purchase.payments.append(paid.last)
        if not paid.last.unknown:
            purchase.facts = paid.facts
            break
    return purchase


async def repeats(system: System, purchase: Purchase, *, replica: int | None = None) -> Answer:
    """Send the payment once more, with the same key, and add the answer to the purchase.

    Raises:
        ValueError: the checkout was never begun, so there is nothing to repeat.
    """
    if purchase.checkout is None:
        raise ValueError(
            f"{purchase.who!r} never got as far as a checkout (stopped at {purchase.stopped_at})"
        )
    action = purchase.who.resumes(purchase.checkout, key=purchase.key, method=purchase.method)
    answer = await system.do(action, replica=replica)
    purchase.payments.append(answer)
    return answer
