"""Recording and checking of histories; pure: no I/O, no event loop."""

from harness.histories.checker import Checked, check
from harness.histories.counterexample import Counterexample
from harness.histories.effects import LostUpdate, Miscount, lost_updates, miscounted
from harness.histories.history import Call, History, Recorder
from harness.histories.operation import BadHistory, Operation
from harness.histories.oversold import Oversold, oversold
from harness.histories.registers import KeyValueModel, RegisterModel
from harness.histories.search import Linearizability
from harness.histories.slot import SlotModel
from harness.histories.timeline import Window, timeline

__all__ = [
    "BadHistory",
    "Call",
    "Checked",
    "Counterexample",
    "History",
    "KeyValueModel",
    "Linearizability",
    "LostUpdate",
    "Miscount",
    "Operation",
    "Oversold",
    "Recorder",
    "RegisterModel",
    "SlotModel",
    "Window",
    "check",
    "lost_updates",
    "miscounted",
    "oversold",
    "timeline",
]
