"""Clock and background jobs, through the control planes of service and provider."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from overbooked.capabilities.clock import CLOCK
from overbooked.capabilities.hold_expiry import HOLD_EXPIRY
from overbooked.capabilities.jobs import JOBS
from reference_system.target.connections import Connections
from reference_system.target.parts import offers

# Jobs that complete interrupted work, in the order of their dependencies.
RECOVERY = ("recover_checkouts", "expire_holds", "send_outbox")
# The service makes a dead letter of an event, and acknowledges it, after fewer failures than this. Oracles
# judge events that are still refused.
DELIVERY_ROUNDS = 8
# Seconds; a job works through everything that is waiting, which takes long on a busy machine.
JOB_TIMEOUT_S = 120.0


@offers(CLOCK)
class ServiceClock:
    """The one clock of service and provider."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    async def advance(self, seconds: float) -> None:
        """Move the clock of service and provider forward together; the operator logs in again."""
        if seconds < 0:
            raise ValueError(f"time goes forward, got {seconds} s")
        await self._connections.set_clock(await self._connections.read_clock() + seconds)
        await self._connections.log_operator_in()


@offers(HOLD_EXPIRY)
class ExpiringHolds:
    """The holds of checkouts, which a job releases."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    @property
    def hold_s(self) -> float:
        return self._connections.times.hold_ttl_s

    async def expire_holds(self) -> None:
        """Run the job once."""
        await self._connections.app.call("POST", "/_control/jobs/expire_holds", timeout_s=JOB_TIMEOUT_S)


@offers(JOBS)
class BackgroundJobs:
    """Background jobs of the service, and the provider's deliveries and refunds."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    async def run(self, name: str) -> Mapping[str, Any]:
        """Run one background job once."""
        report = await self._connections.app.call("POST", f"/_control/jobs/{name}", timeout_s=JOB_TIMEOUT_S)
        return report if isinstance(report, dict) else {"report": report}

    async def run_due(self) -> None:
        """Run every job with a timer once."""
        for job in (*RECOVERY, "reconcile"):
            await self.run(job)

    async def recover(self) -> None:
        """Move the clock past every lease and hold, then run recovery, expiry, refunds and deliveries."""
        await ServiceClock(self._connections).advance(
            max(self._connections.times.hold_ttl_s, self._connections.times.paying_lease_s) + 1
        )
        await self._recover()

    async def settle(self) -> None:
        """Run `recover`, then reconciliation and the resulting refunds and deliveries."""
        await self.recover()
        await self.run("reconcile")
        await self._recover()

    async def _recover(self) -> None:
        for job in RECOVERY:
            await self.run(job)
        await self._connections.payments.call("POST", "/_control/refunds/settle", {}, timeout_s=JOB_TIMEOUT_S)
        await self._deliver_all()

    async def _deliver_all(self) -> None:
        """Attempt undelivered events until all are acknowledged, at most DELIVERY_ROUNDS times."""
        for _ in range(DELIVERY_ROUNDS):
            ran = await self._connections.payments.call(
                "POST", "/_control/deliveries/run", {}, timeout_s=JOB_TIMEOUT_S
            )
            if all(outcome["acknowledged"] for outcome in ran["deliveries"]):
                return
