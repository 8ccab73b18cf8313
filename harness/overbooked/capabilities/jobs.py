"""Background jobs, run individually."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from overbooked.capabilities import declare, runs_a_job


class Jobs(Protocol):
    """Run background jobs."""

    @runs_a_job
    async def run(self, name: str) -> Mapping[str, Any]:
        """Run one background job once and return its report."""

    @runs_a_job
    async def run_due(self) -> None:
        """Run every background job once, as their timers do; the clock stays where it is."""

    async def settle(self) -> None:
        """Run recovery, expiry, delivery and reconciliation to their end, as after days of operation."""

    async def recover(self) -> None:
        """Run recovery, expiry, owed refunds and deliveries to their end, *without* reconciliation."""


JOBS = declare("jobs", Jobs)
