"""Buying a place through checkout, with retries of the payment after a lost connection."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from overbooked.system.customer import Customer
from overbooked.system.system import System
from overbooked.targets.adapter import Answer, Slot

PAY = "pay"


@dataclass(slots=True)
class Purchase:
    """One customer's attempt to buy one place, with every answer to the payment in order.

    `stopped_at` is the step at which the purchase ended, if that was before the payment; `stopped_by` is the
    answer that ended it.
    """

    who: Customer
    slot: Slot
    key: str
    method: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    payments: list[Answer] = field(default_factory=list)
    stopped_at: str = ""
    stopped_by: Answer | None = None

    @property
    def checkout(self) -> str | None:
        """The checkout's id; None before it is begun."""
        found = self.facts.get("checkout")
        return None if found is None else str(found)

    @property
    def outcome(self) -> Answer | None:
        """The first conclusive answer to the payment; None if there is none."""
        return next((answer for answer in self.payments if not answer.unknown), None)

    @property
    def booking(self) -> str | None:
        """The booking's id, if the answer to the payment has one."""
        found = self.outcome.facts.get("booking") if self.outcome else None
        return None if found is None else str(found)


async def begin_checkout(
    system: System,
    who: Customer,
    slot: Slot,
    *,
    method: str = "card",
    key: str | None = None,
    replica: int | None = None,
) -> Purchase:
    """Do every step of a checkout before the payment. `repeat_payment` sends the payment.

    Args:
        method: "card", "declined card" or "bank".
        key: the idempotency key of the payment; default a new one.
        replica: index of the replica that serves it, from 0; default the first.
    """
    purchase = Purchase(who, slot, key or who.new_key(), method)
    steps = who.checks_out(slot, key=purchase.key, method=method)
    begun = await system.walk(steps, until=PAY, replica=replica)
    purchase.facts = begun.facts
    if not begun.ok:
        purchase.stopped_at, purchase.stopped_by = list(begun)[-1], begun.last
    return purchase


async def buy(
    system: System,
    who: Customer,
    slot: Slot,
    *,
    method: str = "card",
    key: str | None = None,
    tries: int = 1,
    replica: int | None = None,
) -> Purchase:
    """Do a whole checkout; repeat the payment with its key while its outcome is unknown.

    Args:
        method, key, replica: as for `begin_checkout`.
        tries: maximum number of times that the payment is sent, without a pause.
    """
    purchase = await begin_checkout(system, who, slot, method=method, key=key, replica=replica)
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


async def repeat_payment(system: System, purchase: Purchase, *, replica: int | None = None) -> Answer:
    """Send the payment again with the same key, and add the answer to the purchase.

    Raises:
        ValueError: the checkout was not begun.
    """
    if purchase.checkout is None:
        raise ValueError(f"{purchase.who!r} has no checkout to pay for: it stopped at {purchase.stopped_at}")
    action = purchase.who.resumes(purchase.checkout, key=purchase.key, method=purchase.method)
    answer = await system.do(action, replica=replica)
    purchase.payments.append(answer)
    return answer
