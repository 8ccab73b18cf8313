"""Checks of holds: none is left at rest."""

from __future__ import annotations

from overbooked.capabilities.durable_state import DurableState
from overbooked.errors import GapFound


def no_hold_left(state: DurableState) -> None:
    """There is no live hold. For durable state at rest: every checkout has ended or expired."""
    left = [hold for hold in state.holds if hold.live]
    if left:
        raise GapFound(
            "a hold is left behind",
            expected="no live hold",
            observed=f"{len(left)}",
            operations=[f"hold {hold.id} on {hold.slot} of checkout {hold.checkout}" for hold in left],
        )
