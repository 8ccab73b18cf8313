"""Overbooked: a chaos and gap-detection harness for booking systems."""

from harness.bookkeeping.binding import gap
from harness.errors import GapFound, HarnessError, NotSupported

__version__ = "0.1.0"

__all__ = ["GapFound", "HarnessError", "NotSupported", "gap"]
