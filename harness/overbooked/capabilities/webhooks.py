"""Webhooks: the provider's events, their delivery, and the ways in which they can be wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from overbooked.capabilities import RecordKind, declare
from overbooked.targets.actions import Action


@dataclass(frozen=True, slots=True)
class DeadLetter:
    id: str
    source: str  # "webhook" | "reconciliation" | ...
    subject: str
    reason: str


@dataclass(frozen=True, slots=True)
class ProviderEvent:
    """One event of the payment provider, as in its journal; `bytes` are delivered as they are."""

    id: str
    type: str
    charge: str
    payload: Mapping[str, Any] | bytes
    acknowledged: bool = False


# What the provider does with a payment and reports by events. "pays" and "fails" settle a payment whose
# outcome the service does not know yet.
PAYS, FAILS, REFUNDS, FAILS_REFUND = "pays", "fails", "refunds", "fails a refund"
# Refunds that the service itself has asked for and the provider has accepted: paid out later, or not.
PAYS_OUT, FAILS_TO_PAY_OUT = "pays out a refund", "fails to pay out a refund"

# The reasons for which a service cannot process an event.
REASONS = ("unknown reference", "malformed content", "impossible amount", "a state that it does not fit")

# Signatures that every target can make: by another key, none, and valid but too old.
NOT_GENUINE = ("forged", "missing", "stale")


@dataclass(frozen=True, slots=True)
class BadEvent:
    """An event with a genuine signature that the service can never process.

    Args:
        name: what is wrong with it.
        reason: one of REASONS.
        event: the event. Its id is the subject of its dead letter, unless it is "".
    """

    name: str
    reason: str
    event: ProviderEvent


class Webhooks(Protocol):
    """Hold, repeat and forge the provider's deliveries, and make the provider pay and refund."""

    async def hold_deliveries(self, held: bool) -> None:
        """Stop or resume automatic deliveries; the provider's journal records events either way."""

    def provider_does(self) -> Mapping[str, Sequence[str]]:
        """What the provider can be made to do (PAYS, FAILS, REFUNDS ...), by method of payment
        ("card", "declined card", "bank", "interrupted card"). A method that is missing is not offered."""

    async def provider_pays(self, checkout: str) -> None:
        """Make the provider capture a pending (`bank`) payment.

        If "interrupted card" is offered and the checkout was begun and not paid: do what the service's
        payment by card does at the provider, as if the service had died before it got any answer.
        """

    async def provider_fails(self, checkout: str) -> None:
        """Make a pending (`bank`) payment fail finally."""

    async def provider_refunds(self, charge: str, minor: int) -> None:
        """Refund a charge at the provider, as with its dashboard; the refund succeeds at once."""

    async def provider_fails_refund(self, charge: str, minor: int) -> None:
        """Begin a refund at the provider that then fails; the provider reports the failure."""

    async def service_refunds(self, checkout: str) -> None:
        """Make the service refund the whole price of a paid checkout, e.g. by cancelling its booking; the
        provider accepts the refund and keeps it pending. Needed for PAYS_OUT and FAILS_TO_PAY_OUT only."""

    async def provider_settles_refunds(self, charge: str, succeeded: bool) -> None:
        """Make the provider pay out the pending refunds of a charge, or fail them; it reports that."""

    async def events(self, charges: Sequence[str]) -> list[ProviderEvent]:
        """Return the provider's events for some charges, oldest first."""

    async def redeliver(self, event: ProviderEvent) -> None:
        """Make the provider deliver the event again through `payments->app`, with a new signature."""

    def genuine_signatures(self) -> Sequence[str]:
        """The names of the signatures with which a delivery must be taken: "fresh", and near misses of those
        that are not genuine (almost too old, by a clock that is a little ahead, over the same content in
        other bytes).

        One valid signature among several is here if the service documents the rotation of keys.
        """

    def false_signatures(self) -> Sequence[str]:
        """The names of the signatures that must be refused with 401: those of NOT_GENUINE, and every
        malformed variant of a genuine one that the target can make."""

    def deliver(self, event: ProviderEvent, *, signature: str = "fresh") -> Action:
        """POST the event to the service with a genuine or false signature: "fresh", "forged" (wrong key),
        "missing", "stale" (a valid signature over a timestamp older than the service's tolerance) ..."""

    def bad_event(self, charge: str) -> ProviderEvent:
        """Return a well-formed, correctly signed event that the service can never process."""

    def bad_events(
        self, events: Sequence[ProviderEvent], others: Sequence[ProviderEvent]
    ) -> Sequence[BadEvent]:
        """Return correctly signed events that the service can never process, for every reason there is.

        Args:
            events: the genuine events of one payment, from which they are made; each has a new id.
            others: the genuine events of another payment.
        """

    async def read_dead_letters(self) -> Sequence[DeadLetter]:
        """Return the dead letters as an operator sees them, through the service's own interface."""


class Obstruction(Protocol):
    """Make the service fail at genuine events, as a faulty release or migration does."""

    async def obstruct(self, charges: Sequence[str], obstructed: bool) -> None:
        """Make the processing of every event of some charges fail until it is called with False; the service
        stays up and its database answers."""


DEAD_LETTERS = RecordKind("dead_letters", DeadLetter, removable=True)
WEBHOOKS = declare("webhooks", Webhooks, records=(DEAD_LETTERS,))
OBSTRUCTION = declare("obstruction", Obstruction)
