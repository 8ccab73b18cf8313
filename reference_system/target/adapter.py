"""The reference system in the harness's words; `system.toml` names this class."""

from __future__ import annotations

from harness.targets.port import Capability
from reference_system.target.bookings import Bookings
from reference_system.target.checkouts import Checkouts
from reference_system.target.events import Events
from reference_system.target.offers import Offers
from reference_system.target.operation import Operation
from reference_system.target.people import People
from reference_system.target.reconciling import Reconciling
from reference_system.target.records import Records


class ReferenceAdapter(People, Offers, Bookings, Checkouts, Operation, Events, Reconciling, Records):
    """Satisfies `harness.targets.port.Adapter` and every group of verbs beside it."""

    capabilities = frozenset(Capability)
