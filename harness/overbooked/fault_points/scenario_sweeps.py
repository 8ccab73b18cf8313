"""The `sweeps` fixture: sweeps a journey and rules on its clauses, or replays one fault plan."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from overbooked.errors import HarnessError
from overbooked.fault_points.evidence import plan_of
from overbooked.fault_points.journey import Journey
from overbooked.fault_points.plans import Quotas
from overbooked.fault_points.points import EVERY_KIND, FaultPlan
from overbooked.fault_points.registry import RegisteredJourney
from overbooked.fault_points.results import SweepResult
from overbooked.fault_points.sweep import inject_one, judge_sweep, rule_on
from overbooked.recording import RecordedFaults
from overbooked.stacks.base.protocol import Stack
from overbooked.system.system import System
from overbooked.verdicts.judge import Judge
from overbooked.wire.gate.boundary import FaultKind

Observe = Callable[[SweepResult], None]


class FaultPointGone(HarnessError):
    """The journey has no such fault point any more."""


@dataclass(slots=True)
class Sweeps:
    """The object that the `sweeps` fixture provides.

    Args:
        journeys: the journeys that the scenario's file registers, by name.
        script: the only fault plan to run; None: sweep.
        observe: called with the result of a script.
    """

    stack: Stack
    system: System
    judge: Judge
    rng: random.Random
    journeys: Mapping[str, RegisteredJourney] = field(default_factory=dict)
    script: RecordedFaults | None = None
    observe: Observe | None = None
    _done: bool = False

    async def sweep(
        self,
        journey: Journey,
        clauses: Mapping[str, str],
        *,
        kinds: Sequence[FaultKind] = EVERY_KIND,
        quotas: Quotas | None = None,
    ) -> None:
        """Inject faults at the boundaries of a journey and rule on the clauses of its aspects.

        Args:
        clauses: the clause of each aspect, e.g. `{"money": "SYS-01.a"}`.
        kinds: the kinds of faults.
            quotas: how many of each class; default all, and no second-order faults.

        Raises:
            HarnessError: the gate, the stack or the journey failed; nothing can be concluded.
        """
        if self.script is None:
            await judge_sweep(
                self.stack, journey, self.judge, clauses, rng=self.rng, kinds=kinds, quotas=quotas
            )
        elif not self._done:
            self._done = True
            await self._run_script(self.script, journey, clauses)

    async def _run_script(self, script: RecordedFaults, journey: Journey, clauses: Mapping[str, str]) -> None:
        if journey.name != script.journey:
            if script.journey not in self.journeys:
                raise HarnessError(
                    f"the fault plan is for the journey {script.journey!r}, and this scenario sweeps "
                    f"{', '.join([journey.name, *self.journeys])}"
                )
            journey = self.journeys[script.journey](self.system)
        found = await inject_one(
            self.stack, journey, matching_plan(script), rng=self.rng, patience=script.patient
        )
        if self.observe is not None:
            self.observe(found)
        rule_on(found, self.judge, clauses)


def matching_plan(faults: RecordedFaults) -> Callable[[Sequence[FaultPlan]], FaultPlan]:
    """Return a function that finds a recorded plan among the plans that are possible now.

    A point is identified by its link, its shape and the number of the occurrence, not by its ordinal.

    The function raises:
        FaultPointGone: the journey has no such point.
    """
    wanted = plan_of(faults)

    def pick(possible: Sequence[FaultPlan]) -> FaultPlan:
        for plan in possible:
            same = (plan.point.fingerprint, plan.point.nth) == (wanted.point.fingerprint, wanted.point.nth)
            if same and plan.kind is wanted.kind:
                return replace(plan, code=wanted.code, second=wanted.second, second_kind=wanted.second_kind)
        raise FaultPointGone(
            f"{faults.journey} has no occurrence {wanted.point.nth} of this {wanted.point.place} at which "
            f"{wanted.kind.value} can be injected: {' '.join(wanted.point.shape.split())[:80]}"
        )

    return pick
