"""The clock of the service, used for every expiry.

In production it is real time. With the control plane on it is real time plus an offset kept in the
database, so that every process of the service sees the same time.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from reference_system.booking.platform.db import Database

READ_OFFSET = "SELECT offset_s FROM clock"


def real_now() -> datetime:
    """Return real time, timezone-aware, in UTC."""
    return datetime.now(UTC)


class Clock:
    """Reads the time; with `controlled` the shared offset is added."""

    def __init__(self, database: Database, *, controlled: bool) -> None:
        self._database = database
        self._controlled = controlled

    async def now(self) -> datetime:
        """Return the service's time. A request reads it once and passes it on."""
        if not self._controlled:
            return real_now()
        return real_now() + timedelta(seconds=await self.offset_s())

    async def offset_s(self) -> float:
        """Return how far the clock is ahead of real time, in seconds."""
        row = await self._database.first(READ_OFFSET)
        return float(row.offset_s) if row else 0.0
