"""What a target can do beyond opening slots and registering customers: one file per capability.

A file has the protocol that an adapter implements, the rows of its record kinds, and the capability itself,
made by `declare`. All files of this package are loaded; a project's own module declares further
capabilities in the same way.
"""

from overbooked.capabilities.capability import (
    Capability,
    RecordKind,
    runs_a_job,
    sent_by_customer,
    sent_by_operator,
)
from overbooked.capabilities.claims import check, implementation, offers, require
from overbooked.capabilities.registry import declare, known

__all__ = [
    "Capability",
    "RecordKind",
    "check",
    "declare",
    "implementation",
    "known",
    "offers",
    "require",
    "runs_a_job",
    "sent_by_customer",
    "sent_by_operator",
]
