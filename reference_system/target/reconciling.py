"""Reconciliation: run it, read what it said, and many payments for it to agree on."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from overbooked.targets.adapter import ReconciliationReport
from overbooked.targets.errors import TargetFailed
from reference_system.target import forgeries as sql
from reference_system.target.planting import Planting
from reference_system.target.purchases import PRICE

LAST_RUN = "SELECT id, examined FROM reconciliation_runs ORDER BY started_at DESC, id DESC LIMIT 1"
FINDINGS = "SELECT kind, subject, action FROM reconciliation_findings WHERE run_id = $1 ORDER BY id"
# A run over a million records is one call.
RUN_TIMEOUT_S = 900.0
# So many payments are added in one go.
BULK = 10_000
# What a finding says was done where nothing may be. Its kinds are the harness's own words.
LEFT_TO_A_PERSON = "dead-lettered"


class Reconciling(Planting):
    """The rest of Capability.RECONCILIATION."""

    async def delay_refunds(self, delayed: bool) -> None:
        """Pending refunds are paid out by `recover` and `settle`."""
        await self._provider.call(
            "POST", "/_control/refunds/mode", {"mode": "pending" if delayed else "instant"}
        )

    async def reconcile(self) -> ReconciliationReport:
        """Run the job once, repairs included."""
        report = await self._app.call("POST", "/_control/jobs/reconcile", timeout_s=RUN_TIMEOUT_S)
        return _report(str(report["run_id"]), report["findings"], int(report["examined"]))

    async def last_reconciliation(self) -> ReconciliationReport:
        """What the last run wrote down, finished or not."""
        async with self._observer.transaction(readonly=True) as database:
            run = await database.fetchrow(LAST_RUN)
            if run is None:
                raise TargetFailed("there was no reconciliation run yet")
            findings = await database.fetch(FINDINGS, run["id"])
        return _report(str(run["id"]), [dict(one) for one in findings], int(run["examined"]))

    async def agree(self, n: int) -> None:
        """Add `n` bookings, each paid, in a few statements on either side."""
        for done in range(0, n, BULK):
            await self._agree(min(BULK, n - done))

    async def _agree(self, n: int) -> None:
        prefix = secrets.token_hex(4)
        slot = UUID((await self.open_slot(capacity=n, price=PRICE)).id)
        (who,) = await self.customers([("Many Buyers", f"many.{prefix}@example.com")])
        customer, price = UUID(who.id), PRICE.minor
        now = datetime.fromtimestamp(self._now(), UTC)
        async with self._forging() as database:
            await database.execute(sql.AGREED_LOCKS, prefix, customer, slot, price, now, n)
            await database.execute(sql.AGREED_CHECKOUTS, prefix, customer, slot, price, now, n)
            await database.execute(sql.AGREED_BOOKINGS, prefix, customer, slot, now, n)
            await database.execute(sql.AGREED_PAYMENTS, prefix, price, n)
            await database.execute(sql.AGREED_POSTS, prefix, now, n)
            await database.execute(sql.AGREED_ENTRIES, prefix, price, n)
            await database.execute(sql.FILL_SLOT, slot, n)
        await self._provider.call(
            "POST", "/_control/bulk", {"prefix": prefix, "count": n, "amount": f"{price / 100:.2f}"}
        )


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
