"""Holds: none is left behind when nothing is going on any more."""

from __future__ import annotations

from overbooked.errors import GapFound
from overbooked.targets.adapter import DurableState


def no_hold_left(state: DurableState) -> None:
    """No hold lives on. For durable state at rest: every checkout ended or expired."""
    left = [hold for hold in state.holds if hold.live]
    if left:
        raise GapFound(
            "a hold is left behind",
            expected="no live hold",
            observed=f"{len(left)}",
            operations=[f"hold {hold.id} on {hold.slot} of checkout {hold.checkout}" for hold in left],
        )
