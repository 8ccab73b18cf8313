"""Durable state: the contents of the service's database and the provider's journal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from overbooked.capabilities import RecordKind
from overbooked.capabilities.checkout import CHARGES, ChargeRow
from overbooked.capabilities.durable_state import DURABLE_STATE, DurableState
from reference_system.target import parts
from reference_system.target.connections import Connections
from reference_system.target.parts import offers

CHECKOUTS = """
SELECT id FROM checkouts WHERE slot_id = ANY($1::uuid[]) OR id = ANY($2::uuid[])
"""


@offers(DURABLE_STATE)
class Records:
    """Reads the record kinds that the parts of the adapter declare."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    async def state(
        self, *, slots: Sequence[str] | None = None, checkouts: Sequence[str] | None = None
    ) -> DurableState:
        """Read database and journal, restricted to some slots or checkouts if given.

        Slots include their checkouts. The database is read in one snapshot, the provider's journal after it.
        """
        restricted = slots is not None or checkouts is not None
        wanted_slots = _uuids(slots) if restricted else None
        wanted_checkouts = _uuids(checkouts) if restricted else None
        rows: dict[RecordKind[Any], Sequence[Any]] = {}
        async with self._connections.observer.transaction(readonly=True) as database:
            if restricted:
                found = await database.fetch(CHECKOUTS, wanted_slots, wanted_checkouts)
                # Wanted checkouts that are not in the database are requested from the provider too.
                wanted_checkouts = sorted({*(wanted_checkouts or ()), *(row["id"] for row in found)})
            for part in parts.found().values():
                for query in part.records:
                    restriction = (wanted_slots, wanted_checkouts) if "$1" in query.sql else ()
                    rows[query.kind] = [
                        query.row(row) for row in await database.fetch(query.sql, *restriction)
                    ]
        journal = await self._journal(wanted_checkouts)
        rows[CHARGES] = [_charge(row) for row in journal["charges"]]
        return DurableState.of(rows)

    async def _journal(self, checkouts: Sequence[UUID] | None) -> Any:
        if checkouts is None:
            return await self._connections.payments.call("GET", "/_control/journal")
        asked = {"checkout_ids": [str(checkout) for checkout in checkouts]}
        return await self._connections.payments.call("POST", "/_control/journal", asked)


def _uuids(ids: Sequence[str] | None) -> list[UUID]:
    return [UUID(one) for one in ids or ()]


def _charge(row: Any) -> ChargeRow:
    return ChargeRow(
        id=row["id"],
        checkout=row["checkout_id"],
        currency=row["currency"],
        captured_minor=row["captured_minor"],
        refunded_minor=row["refunded_minor"],
        refund_pending_minor=row["refund_pending_minor"],
        captures=row["captures"],
    )
