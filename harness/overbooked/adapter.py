"""The imports of an adapter: the contract, HTTP messages, answers, and the parts of a capability.

The modules behind these names may move; the names here stay. Each capability has a module of its own,
`overbooked.capabilities.NAME`, with its protocol and the rows of its record kinds.
"""

from __future__ import annotations

from overbooked.capabilities import (
    Capability,
    RecordKind,
    declare,
    runs_a_job,
    sent_by_customer,
    sent_by_operator,
)
from overbooked.capabilities.durable_state import DurableState
from overbooked.targets.actions import Action, Answer, CheckoutStep, Outcome
from overbooked.targets.adapter import Account, Adapter, AdapterContext, Money, Send, Slot
from overbooked.targets.errors import TargetError, TransportError
from overbooked.targets.messages import HttpRequest, HttpResponse

__all__ = [
    "Account",
    "Action",
    "Adapter",
    "AdapterContext",
    "Answer",
    "Capability",
    "CheckoutStep",
    "DurableState",
    "HttpRequest",
    "HttpResponse",
    "Money",
    "Outcome",
    "RecordKind",
    "Send",
    "Slot",
    "TargetError",
    "TransportError",
    "declare",
    "runs_a_job",
    "sent_by_customer",
    "sent_by_operator",
]
