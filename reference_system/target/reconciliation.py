"""Reconciliation: run it, read its report, and add many payments on which both sides agree."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from overbooked.capabilities.reconciliation import RECONCILIATION, ReconciliationReport
from overbooked.targets.errors import TargetError
from reference_system.target.parts import offers
from reference_system.target.planting import Planting

LAST_RUN = "SELECT id, examined FROM reconciliation_runs ORDER BY started_at DESC, id DESC LIMIT 1"
FINDINGS = "SELECT kind, subject, action FROM reconciliation_findings WHERE run_id = $1 ORDER BY id"
# Seconds; a run over a million records is a single call.
RUN_TIMEOUT_S = 900.0
# Number of payments per batch.
BULK = 10_000
# The action of a finding that is left to a person. The kinds of findings have the harness's names.
LEFT_TO_A_PERSON = "dead-lettered"


@offers(RECONCILIATION)
class ProviderReconciliation(Planting):
    """Runs reconciliation, and adds payments in bulk."""

    async def delay_refunds(self, delayed: bool) -> None:
        """Keep new refunds pending, or not; `recover` and `settle` pay out pending ones."""
        await self._connections.payments.call(
            "POST", "/_control/refunds/mode", {"mode": "pending" if delayed else "instant"}
        )

    async def reconcile(self) -> ReconciliationReport:
        """Run the job once, with its repairs."""
        report = await self._connections.app.call("POST", "/_control/jobs/reconcile", timeout_s=RUN_TIMEOUT_S)
        return _report(str(report["run_id"]), report["findings"], int(report["examined"]))

    async def last_report(self) -> ReconciliationReport:
        """Return what the last run recorded, finished or not."""
        async with self._connections.observer.transaction(readonly=True) as database:
            run = await database.fetchrow(LAST_RUN)
            if run is None:
                raise TargetError("reconciliation was never run")
            findings = await database.fetch(FINDINGS, run["id"])
        return _report(str(run["id"]), [dict(one) for one in findings], int(run["examined"]))

    async def add_matching_payments(self, n: int) -> None:
        """Add `n` paid bookings, by a few statements on each side."""
        for done in range(0, n, BULK):
            await self.add_matching(min(BULK, n - done))


def _report(run: str, findings: Iterable[Mapping[str, Any]], examined: int) -> ReconciliationReport:
    found = list(findings)
    return ReconciliationReport(
        run=run,
        differences=tuple((str(one["subject"]), str(one["kind"])) for one in found),
        repairs=tuple(
            (str(one["subject"]), str(one["action"])) for one in found if one["action"] != LEFT_TO_A_PERSON
        ),
        examined=examined,
    )
