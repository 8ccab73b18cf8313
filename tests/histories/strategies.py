"""Strategies of small histories, most of them illegal; timestamps are few, so ties are frequent."""

from __future__ import annotations

from hypothesis import strategies as st

from overbooked.histories import History, Operation
from overbooked.targets.adapter import Outcome

SLOTS = ("A", "B")
VERBS = ("book", "book", "book", "cancel", "cancel", "reschedule", "resize", "places")
OUTCOMES = (Outcome.OK, Outcome.OK, Outcome.OK, Outcome.REFUSED, Outcome.UNKNOWN)
BEFORE = {"old": "A"}


@st.composite
def histories(draw: st.DrawFn, max_size: int = 7) -> History:
    operations: list[Operation] = []
    made = list(BEFORE)
    for number in range(draw(st.integers(1, max_size))):
        verb = draw(st.sampled_from(VERBS))
        outcome = draw(st.sampled_from(OUTCOMES))
        slot, args, result = draw(st.sampled_from(SLOTS)), {}, None
        if verb == "book":
            args = {"slot": slot}
            if draw(st.integers(0, 3)) == 0:
                args["key"] = draw(st.sampled_from(("k", "l")))
            if outcome is Outcome.OK:
                result = draw(st.sampled_from((f"b{number}", f"b{number}", f"b{number}", "twice")))
                made.append(result)
        elif verb == "cancel":
            args = {"booking": draw(st.sampled_from(made))}
        elif verb == "reschedule":
            args = {"booking": draw(st.sampled_from(made)), "to": slot}
        elif verb == "resize":
            args = {"slot": slot, "capacity": draw(st.integers(0, 2))}
        else:
            args = {"slot": slot}
            if outcome is Outcome.REFUSED:
                outcome = Outcome.UNKNOWN
            if outcome is Outcome.OK:
                result = [draw(st.integers(0, 2)), draw(st.integers(0, 2))]
        called = draw(st.integers(0, 12)) / 2
        returned = called + draw(st.integers(0, 8)) / 2
        completed = None if outcome is Outcome.UNKNOWN and draw(st.booleans()) else returned
        operations.append(Operation(f"actor-{number}", verb, args, called, completed, outcome, result))
    return History.of(operations)
