"""Overbooked: a chaos and gap-detection harness for booking systems."""

from overbooked.errors import GapFound, HarnessError, NotSupported
from overbooked.marker import gap

__version__ = "0.1.0"

__all__ = ["GapFound", "HarnessError", "NotSupported", "gap"]
