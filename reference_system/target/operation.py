"""Time and background jobs, moved and run by the control planes of service and provider."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from overbooked.targets.adapter import Customer
from reference_system.target.people import expires_at
from reference_system.target.wiring import Wiring

# Jobs that bring what was left half way to its end, in the order in which they help each other.
RECOVERY = ("recover_checkouts", "expire_holds", "send_outbox")
# The service gives an event up, and acknowledges it, after fewer failures than this. What is refused
# still is for oracles to judge.
DELIVERY_ROUNDS = 8


class Operation(Wiring):
    """The verbs of Capability.CLOCK and Capability.JOBS, and letting an access token expire."""

    async def advance(self, seconds: float) -> None:
        """Move the clock of service and provider forward together; the operator logs in again."""
        if seconds < 0:
            raise ValueError(f"time goes forward, got {seconds} s")
        await self._read_clock()
        offset_s = self._offset_s + seconds
        await asyncio.gather(
            self._app.call("POST", "/_control/clock", {"offset_s": offset_s}),
            self._provider.call("POST", "/_control/clock", {"offset_s": offset_s}),
        )
        self._offset_s = offset_s
        await self._log_operator_in()

    async def expire_access(self, who: Customer) -> None:
        """Move the clock past the end of the access token; holds and price locks live longer."""
        left_s = expires_at(who) - self._now()
        if left_s > -1:
            await self.advance(left_s + 1)

    async def run_job(self, name: str) -> Mapping[str, Any]:
        """Run one background job once."""
        report = await self._app.call("POST", f"/_control/jobs/{name}")
        return report if isinstance(report, dict) else {"report": report}

    async def recover(self) -> None:
        """Past every lease and hold: recovery, expiry, refunds, deliveries; no reconciliation."""
        await self.advance(max(self._times.hold_ttl_s, self._times.paying_lease_s) + 1)
        await self._recover()

    async def settle(self) -> None:
        """As `recover`, then reconciliation, and the refunds and deliveries that follow from it."""
        await self.recover()
        await self.run_job("reconcile")
        await self._recover()

    async def _recover(self) -> None:
        for job in RECOVERY:
            await self.run_job(job)
        await self._provider.call("POST", "/_control/refunds/settle", {})
        await self._deliver_all()

    async def _deliver_all(self) -> None:
        """Attempt what is undelivered, until all is acknowledged or the provider would give up too."""
        for _ in range(DELIVERY_ROUNDS):
            outcomes = (await self._provider.call("POST", "/_control/deliveries/run", {}))["deliveries"]
            if all(outcome["acknowledged"] for outcome in outcomes):
                return
