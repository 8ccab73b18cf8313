"""The clock of the system, which scenarios can move."""

from __future__ import annotations

from typing import Protocol

from overbooked.capabilities import declare


class Clock(Protocol):
    """Move the clock."""

    async def advance(self, seconds: float) -> None:
        """Move the common clock of service and provider forward."""


CLOCK = declare("clock", Clock)
