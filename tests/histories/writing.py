"""Short ways to write a history by hand: `op(actor, called, returned, verb, ...)`."""

from __future__ import annotations

from typing import Any

from overbooked.histories import History, Operation
from overbooked.targets.adapter import Outcome


def op(
    actor: str,
    called: float,
    returned: float | None,
    verb: str,
    outcome: Outcome = Outcome.OK,
    result: Any = None,
    **args: Any,
) -> Operation:
    return Operation(actor, verb, args, called, returned, outcome, result)


def ok(actor: str, called: float, returned: float, verb: str, result: Any = None, **args: Any) -> Operation:
    return op(actor, called, returned, verb, Outcome.OK, result, **args)


def refused(actor: str, called: float, returned: float, verb: str, **args: Any) -> Operation:
    return op(actor, called, returned, verb, Outcome.REFUSED, **args)


def unknown(
    actor: str, called: float, returned: float | None, verb: str, result: Any = None, **args: Any
) -> Operation:
    return op(actor, called, returned, verb, Outcome.UNKNOWN, result, **args)


def history(*operations: Operation) -> History:
    return History.of(operations)
