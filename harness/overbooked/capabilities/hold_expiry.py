"""Holds that end by themselves when their time is over."""

from __future__ import annotations

from typing import Protocol

from overbooked.capabilities import declare, runs_a_job


class HoldExpiry(Protocol):
    """Let holds end. Their time is over once the clock has advanced by `hold_s`."""

    @property
    def hold_s(self) -> float:
        """How long a checkout holds its place, in seconds of the common clock."""

    @runs_a_job
    async def expire_holds(self) -> None:
        """Release every hold whose time is over, as the system does by itself."""


HOLD_EXPIRY = declare("hold expiry", HoldExpiry)
