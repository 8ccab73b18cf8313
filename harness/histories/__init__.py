"""Recording and checking of histories; pure: no I/O, no event loop."""

from harness.histories.checker import Checked, check
from harness.histories.counterexample import Counterexample
from harness.histories.history import Call, History, Recorder
from harness.histories.operation import BadHistory, Operation
from harness.histories.registers import KeyValueModel, RegisterModel
from harness.histories.search import Linearizability

__all__ = [
    "BadHistory",
    "Call",
    "Checked",
    "Counterexample",
    "History",
    "KeyValueModel",
    "Linearizability",
    "Operation",
    "Recorder",
    "RegisterModel",
    "check",
]
