"""Checkout: priced slots, price locks, and payment through a provider."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from overbooked.capabilities import RecordKind, declare
from overbooked.targets.actions import Action, CheckoutStep
from overbooked.targets.adapter import Account, Slot


@dataclass(frozen=True, slots=True)
class HoldRow:
    id: str
    slot: str
    checkout: str | None
    live: bool


@dataclass(frozen=True, slots=True)
class ChargeRow:
    """One payment at the provider: amounts in minor units; `checkout` is from its metadata."""

    id: str
    checkout: str | None
    currency: str
    captured_minor: int
    refunded_minor: int
    refund_pending_minor: int = 0
    captures: int = 0

    @property
    def net_minor(self) -> int:
        return self.captured_minor - self.refunded_minor - self.refund_pending_minor


# The states of a payment in order; a payment never moves to an earlier one. A "failed" payment may still be
# captured (if the report of the failure was late). "voided" is final, also for a payment that was recorded as
# captured and that the provider never captured: its captured amount is then written off.
PAYMENT_STATES: tuple[str, ...] = (
    "created",
    "authorized",
    "failed",
    "captured",
    "partially_refunded",
    "refunded",
    "voided",
)


@dataclass(frozen=True, slots=True)
class PaymentRow:
    """One payment in the service's records; `state` is one of PAYMENT_STATES."""

    id: str
    charge: str | None
    checkout: str | None
    state: str
    currency: str
    captured_minor: int
    refunded_minor: int


@dataclass(frozen=True, slots=True)
class LedgerTransaction:
    """One ledger transaction: `kind` is "capture" or "refund"; `entries` are signed minor units."""

    id: str
    kind: str
    checkout: str | None
    charge: str | None
    entries: tuple[tuple[str, int], ...]
    # A surplus transaction stays in the ledger, and so does the one that reverses it.
    reverses: str | None = None
    reversed_by: str | None = None
    # Of its entries; "": they have several; None: the target does not say.
    currency: str | None = None

    @property
    def balanced(self) -> bool:
        return len(self.entries) >= 2 and sum(minor for _, minor in self.entries) == 0

    @property
    def amount_minor(self) -> int:
        return sum(minor for _, minor in self.entries if minor > 0)


class Settlement(StrEnum):
    """How a payment by some method ends where nothing fails."""

    AT_ONCE = "at once"  # `pay` is answered with the booking
    LATER = "later"  # `pay` is answered with `pending`; the provider captures later and reports it by webhook
    DECLINED = "declined"  # `pay` is refused, and nothing is captured


# The methods of a target whose checkout has no `methods`; one that settles later needs webhooks.
STANDARD_METHODS: Mapping[str, Settlement] = {
    "card": Settlement.AT_ONCE,
    "declined card": Settlement.DECLINED,
    "bank": Settlement.LATER,
}


class Checkout(Protocol):
    """Buy a place: priced slots, price locks, payment through a provider.

    An adapter whose system offers other methods of payment than STANDARD_METHODS names them, each with its
    settlement, in an attribute `methods`; each is exercised.
    """

    def checkout(self, who: Account, slot: Slot, *, key: str, method: str = "card") -> Sequence[CheckoutStep]:
        """The HTTP requests of checkout in order.

        Named steps; the last is `pay`. Facts: `lock` and `price` (Money) from the quote, `checkout`
        after `begin`, `booking` after `pay`. `method`: "card", "declined card", or "bank" (the provider
        captures later and reports it by webhook; `pay` then is OK with `pending` true).
        Each step is built for `who`; another customer pays by `resume`.
        """

    def read_checkout(self, who: Account, checkout: str) -> Action:
        """Facts: `state`, `price`, `details` (entered data), `hold` (bool: a place is held)."""

    def resume(self, who: Account, checkout: str, *, key: str, method: str = "card") -> Action:
        """Pay a checkout that was begun earlier; facts as of `pay`."""

    def use_lock(self, who: Account, lock: str, slot: Slot) -> Action:
        """Begin a checkout with a price lock, possibly of another customer or another slot."""


HOLDS = RecordKind("holds", HoldRow, removable=True)
CHARGES = RecordKind("charges", ChargeRow)
PAYMENTS = RecordKind("payments", PaymentRow)
LEDGER = RecordKind("ledger", LedgerTransaction)
CHECKOUT = declare("checkout", Checkout, records=(HOLDS, CHARGES, PAYMENTS, LEDGER))
