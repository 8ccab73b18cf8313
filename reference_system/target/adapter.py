"""The reference system in the harness's words; `system.toml` names this class."""

from __future__ import annotations

from overbooked.targets.adapter import Capability
from reference_system.target.bookings import Bookings
from reference_system.target.checkouts import Checkouts
from reference_system.target.events import Events
from reference_system.target.operation import Operation
from reference_system.target.reconciling import Reconciling
from reference_system.target.records import Records


class ReferenceAdapter(Bookings, Checkouts, Operation, Events, Reconciling, Records):
    """Satisfies `overbooked.targets.adapter.Adapter` and every group of verbs beside it.

    `Reconciling` brings people and offers along: it plants what it is tried on.
    """

    capabilities = frozenset(Capability)
