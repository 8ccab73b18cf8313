"""The linearizability check. Partitions take turns, so a hard one does not hide an easy violation."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from overbooked.histories.counterexample import Counterexample, shrink
from overbooked.histories.history import History
from overbooked.histories.linearizability import Linearizability, LinearizabilitySearch
from overbooked.histories.model import M, Model, S

FIRST_TURN_STEPS = 2_000
TURN_GROWTH = 4
# Search steps between two reads of the clock; about 20 ms.
STEPS_PER_LOOK = 10_000


@dataclass(frozen=True, slots=True)
class CheckResult:
    """The result of a check.

    `undecided` names the partitions whose search did not finish: those left when a violation was found
    (all of them if it was found without search), or when time or steps ran out. `counterexample` is set
    if `verdict` is ILLEGAL.
    """

    verdict: Linearizability
    operations: int
    partitions: int
    steps: int
    elapsed_s: float
    undecided: tuple[str, ...] = ()
    counterexample: Counterexample | None = None

    @property
    def ok(self) -> bool:
        return self.verdict is Linearizability.OK

    @property
    def illegal(self) -> bool:
        return self.verdict is Linearizability.ILLEGAL


def check(
    model: Model[S, M],
    history: History,
    *,
    deadline_s: float = 10.0,
    max_steps: int | None = None,
    shrink_s: float = 2.0,
    clock: Callable[[], float] = time.monotonic,
) -> CheckResult:
    """Decide whether the history is linearizable with respect to the model.

    Args:
        deadline_s: seconds of search in total; the verdict is UNKNOWN if it is not found by then.
        max_steps: model transitions in total; makes the result independent of the machine's speed.
        shrink_s: additional seconds to shrink the failing sub-history; 0 leaves it as found.

    Raises:
        BadHistory: the model cannot read the history.
    """
    started = clock()
    searches = sorted(
        (LinearizabilitySearch(model, p) for p in model.prepare(history)), key=lambda search: search.size
    )
    refuted = model.refute(history)
    if refuted is not None:
        found = refuted.operations
        return CheckResult(
            verdict=Linearizability.ILLEGAL,
            operations=len(history),
            partitions=len(searches),
            steps=0,
            elapsed_s=clock() - started,
            undecided=tuple(search.key for search in searches),
            counterexample=Counterexample(refuted.partition, found, refuted.placed, found),
        )
    waiting = list(searches)
    turn = FIRST_TURN_STEPS
    illegal: LinearizabilitySearch[S, M] | None = None

    def spent() -> int:
        return sum(search.steps for search in searches)

    def exhausted() -> bool:
        return clock() - started >= deadline_s or (max_steps is not None and spent() >= max_steps)

    out_of_budget = False
    while waiting and illegal is None and not out_of_budget:
        for search in list(waiting):
            _take_turn(search, turn, exhausted)
            if search.verdict is Linearizability.OK:
                waiting.remove(search)
            elif search.verdict is Linearizability.ILLEGAL:
                waiting.remove(search)
                illegal = search
                break
            elif exhausted():
                out_of_budget = True
                break
        turn *= TURN_GROWTH

    searched_s = clock() - started
    counterexample = None
    if illegal is not None:
        verdict = Linearizability.ILLEGAL
        counterexample = shrink(model, history, illegal, until=clock() + shrink_s, clock=clock)
    else:
        verdict = Linearizability.UNKNOWN if waiting else Linearizability.OK
    return CheckResult(
        verdict=verdict,
        operations=len(history),
        partitions=len(searches),
        steps=spent(),
        elapsed_s=searched_s,
        undecided=tuple(search.key for search in waiting),
        counterexample=counterexample,
    )


def _take_turn(search: LinearizabilitySearch[S, M], steps: int, exhausted: Callable[[], bool]) -> None:
    while steps > 0 and search.verdict is None:
        search.run(min(steps, STEPS_PER_LOOK))
        steps -= STEPS_PER_LOOK
        if exhausted():
            return
