"""Renders a sweep: the matrix of points by fault kinds, with the findings. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from overbooked.fault_points.points import FaultPoint
from overbooked.fault_points.results import SweepOutcome, SweepResult
from overbooked.wire.gate.boundary import FaultKind

MARKS: Mapping[SweepOutcome, str] = {
    SweepOutcome.SAFE: "ok",
    SweepOutcome.VIOLATED: "VIOLATED",
    SweepOutcome.DID_NOT_BITE: "no effect",
    SweepOutcome.NOT_APPLICABLE: "n/a",
    SweepOutcome.NOT_RUN: "",
}
_SHAPE = 72


def rows(sweep: SweepResult) -> list[tuple[FaultPoint, list[str]]]:
    """Return a row for each point, with a mark for each kind."""
    return [(point, [_mark(sweep, point, kind) for kind in sweep.kinds]) for point in sweep.points]


def markdown(sweep: SweepResult, aspects: Mapping[str, str]) -> str:
    """Return the whole sweep as Markdown.

    Args:
        aspects: the sentence of each aspect.
    """
    lines = [f"# Fault points of {sweep.journey}", "", summary(sweep), ""]
    for aspect, says in aspects.items():
        plan_and_gap = sweep.found.get(aspect)
        lines.append(f"- **{aspect}** ({says}): {'violated' if plan_and_gap else 'held'}")
        if plan_and_gap:
            plan, gap = plan_and_gap
            lines += [
                f"  - {plan or 'no fault'}: {gap.what}",
                f"  - expected {gap.expected}; observed {gap.observed}",
                *(f"  - {line}" for line in gap.operations),
            ]
    lines += ["", _table(sweep)]
    if reasons := why(sweep):
        lines += ["", *(f"- {reason}" for reason in reasons)]
    if sweep.second_order:
        lines += ["", "## Second-order faults", "", second_summary(sweep), ""]
        lines += [
            f"- {cell.outcome.value}: {cell.plan}" + (f" ({', '.join(cell.aspects)})" if cell.aspects else "")
            for cell in sweep.second_order
            if cell.outcome is not SweepOutcome.SAFE
        ]
    return "\n".join(lines) + "\n"


def summary(sweep: SweepResult) -> str:
    """Return the counts in one line."""
    counts = sweep.counts
    whole = "all" if sweep.exhausted else f"of {counts['possible']} possible"
    end = ", interrupted" if sweep.broken_off else ""
    return (
        f"{counts['points']} points, {counts['injected']} faults injected ({whole}), "
        f"{counts['bitten']} took effect, {counts['violated']} violated{end}"
    )


def second_summary(sweep: SweepResult) -> str:
    """Return the counts of second-order faults in one line."""
    counts = sweep.second_counts
    return (
        f"{counts['injected']} second-order faults injected (of {sweep.second_possible} in the recorded "
        f"recoveries), {counts['bitten']} took effect, {counts['violated']} violated"
    )


def why(sweep: SweepResult) -> Sequence[str]:
    """Return the reasons why cells are n/a, took no effect or were not run, each once with its count."""
    silent = (SweepOutcome.NOT_APPLICABLE, SweepOutcome.DID_NOT_BITE, SweepOutcome.NOT_RUN)
    reasons = Counter(
        (cell.outcome, cell.plan.kind, cell.why) for cell in sweep.cells if cell.outcome in silent
    )
    return [
        f"{outcome.value}, {kind.value}: {reason} ({times} points)"
        for (outcome, kind, reason), times in reasons.items()
    ]


def _table(sweep: SweepResult) -> str:
    head = ["", "step", "link", "boundary", *(kind.value for kind in sweep.kinds)]
    lines = [f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}"]
    for point, marks in rows(sweep):
        shape = point.shape if len(point.shape) <= _SHAPE else point.shape[: _SHAPE - 1] + "…"
        cells = [str(point.ordinal), point.step, point.link, f"`{_plain(shape)}`", *marks]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _plain(text: str) -> str:
    return " ".join(text.replace("`", "'").replace("|", "/").split())


def _mark(sweep: SweepResult, point: FaultPoint, kind: FaultKind) -> str:
    cell = sweep.at(point, kind)
    return "" if cell is None else MARKS[cell.outcome]
