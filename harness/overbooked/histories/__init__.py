"""Recording and checking of histories. Pure: no I/O, no event loop."""

from overbooked.histories.checker import CheckResult, check
from overbooked.histories.counterexample import Counterexample
from overbooked.histories.exactly_once import LostUpdate, Miscount, lost_updates, miscounted
from overbooked.histories.history import Call, History, Recorder
from overbooked.histories.linearizability import Linearizability
from overbooked.histories.models.oversold import Oversold, oversold
from overbooked.histories.models.registers import KeyValueModel, RegisterModel
from overbooked.histories.models.slot import SlotModel
from overbooked.histories.operation import BadHistory, Operation
from overbooked.histories.timeline import Window, timeline

__all__ = [
    "BadHistory",
    "Call",
    "CheckResult",
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
