"""The job that reconciles with the provider."""

from __future__ import annotations

from reference_system.booking.checkout import refusals
from reference_system.booking.payments.client import ProviderFailed
from reference_system.booking.platform import jobs
from reference_system.booking.platform.jobs import Report
from reference_system.booking.platform.problems import Problem
from reference_system.booking.platform.runtime import Runtime
from reference_system.booking.reconciliation import service, store


@jobs.register("reconcile", every_s=3600)
async def reconcile(runtime: Runtime) -> Report:
    """Compare all payments with the provider's, repair what the policy allows, report the rest.

    Raises Problem (503) if the provider stops answering; the next run continues under the same id.
    """
    try:
        run_id, examined = await service.run(runtime)
    except ProviderFailed as error:
        raise Problem(refusals.PROVIDER_UNAVAILABLE, str(error)) from error
    return {
        "run_id": str(run_id),
        "examined": examined,
        "findings": [
            {"kind": row.kind, "subject": row.subject, "action": row.action}
            for row in await store.findings(runtime.database, run_id)
        ],
    }
