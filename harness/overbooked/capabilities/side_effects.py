"""Side effects: what a system tells others and owes them, and how far its checkouts have come."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from overbooked.capabilities import RecordKind, declare


@dataclass(frozen=True, slots=True)
class AnnouncementRow:
    """A message that the system sends after a change; one of each topic is sent about a subject."""

    id: str
    topic: str
    subject: str
    checkout: str | None


@dataclass(frozen=True, slots=True)
class RefundRow:
    """A refund in the service's records, sent or not."""

    id: str
    checkout: str | None
    charge: str | None
    amount_minor: int
    state: str


@dataclass(frozen=True, slots=True)
class CheckoutStateRow:
    """The state of a checkout; one that has `ended` never is under way again."""

    id: str
    checkout: str
    slot: str
    state: str
    ended: bool


class SideEffects(Protocol):
    """Records of effects besides bookings and payments; oracles that compare whole states include them."""

    @property
    def topics(self) -> Sequence[str]:
        """The topics of the announcements."""


ANNOUNCEMENTS = RecordKind("announcements", AnnouncementRow)
REFUND_RECORDS = RecordKind("refunds", RefundRow)
CHECKOUT_STATES = RecordKind("checkout_states", CheckoutStateRow)
SIDE_EFFECTS = declare("side effects", SideEffects, records=(ANNOUNCEMENTS, REFUND_RECORDS, CHECKOUT_STATES))
