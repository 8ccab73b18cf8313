"""Recording and checking of histories; pure: no I/O, no event loop."""

from harness.histories.history import Call, History, Recorder
from harness.histories.operation import BadHistory, Operation

__all__ = ["BadHistory", "Call", "History", "Operation", "Recorder"]
