"""The job that completes abandoned checkouts."""

from __future__ import annotations

from collections import Counter
from uuid import UUID

from reference_system.booking.checkout import recovery
from reference_system.booking.platform import jobs
from reference_system.booking.platform.jobs import Report
from reference_system.booking.platform.runtime import Runtime

GIVE_UP_AFTER = 3
"""After this many checkouts that could not reach the provider a run ends; the rest waits for the next."""


@jobs.register("recover_checkouts", every_s=10)
async def recover_checkouts(runtime: Runtime) -> Report:
    """Complete every checkout whose payment was abandoned, by the state of its payment at the provider.

    Captured: booked, or refunded if the place is lost. Authorised: captured, then the same. Declined, or
    no payment: ended, its hold released. The outcome is recorded for a repeat of the request. Several
    processes may do this at once.
    """
    outcomes: Counter[str] = Counter()
    after = UUID(int=0)
    while outcomes["unreachable"] < GIVE_UP_AFTER:
        abandoned = await recovery.claim_next(runtime, after)
        if abandoned is None:
            break
        after = abandoned.id
        outcomes[await recovery.recover(runtime, recovery.attempt_of(abandoned))] += 1
    return {"recovered": outcomes.total() - outcomes["unreachable"] - outcomes["stuck"], **outcomes}
