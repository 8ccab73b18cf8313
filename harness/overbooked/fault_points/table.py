"""A sweep on paper: the matrix of points by kinds, with what was found. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from overbooked.fault_points.points import FaultPoint
from overbooked.fault_points.results import Outcome, Sweep
from overbooked.wire.gate.boundary import FaultKind

MARKS: Mapping[Outcome, str] = {
    Outcome.SAFE: "ok",
    Outcome.VIOLATED: "VIOLATED",
    Outcome.DID_NOT_BITE: "no bite",
    Outcome.NOT_APPLICABLE: "n/a",
    Outcome.NOT_RUN: "",
}
_SHAPE = 72


def rows(sweep: Sweep) -> list[tuple[FaultPoint, list[str]]]:
    """One row a point: a mark for each kind, in the sweep's order."""
    return [(point, [_mark(sweep, point, kind) for kind in sweep.kinds]) for point in sweep.points]


def markdown(sweep: Sweep, aspects: Mapping[str, str]) -> str:
    """The whole sweep as Markdown.

    Args:
        aspects: what the journey is judged for.
    """
    lines = [f"# Fault points of {sweep.journey}", "", summary(sweep), ""]
    for aspect, says in aspects.items():
        plan_and_gap = sweep.found.get(aspect)
        lines.append(f"- **{aspect}** ({says}): {'violated' if plan_and_gap else 'held'}")
        if plan_and_gap:
            plan, gap = plan_and_gap
            lines += [
                f"  - {plan or 'no fault at all'}: {gap.what}",
                f"  - expected {gap.expected}; observed {gap.observed}",
                *(f"  - {line}" for line in gap.operations),
            ]
    lines += ["", _table(sweep)]
    if reasons := why(sweep):
        lines += ["", *(f"- {reason}" for reason in reasons)]
    if sweep.second_order:
        lines += ["", "## Faults upon faults", "", second_summary(sweep), ""]
        lines += [
            f"- {cell.outcome.value}: {cell.plan}" + (f" ({', '.join(cell.aspects)})" if cell.aspects else "")
            for cell in sweep.second_order
            if cell.outcome is not Outcome.SAFE
        ]
    return "\n".join(lines) + "\n"


def summary(sweep: Sweep) -> str:
    """The sums, in one line."""
    counts = sweep.counts
    whole = "every one" if sweep.exhausted else f"of {counts['possible']} possible"
    return (
        f"{counts['points']} points, {counts['injected']} faults injected ({whole}), "
        f"{counts['bitten']} bit, {counts['violated']} violated{', broken off' if sweep.broken_off else ''}"
    )


def second_summary(sweep: Sweep) -> str:
    """The sums of faults upon faults, in one line."""
    counts = sweep.second_counts
    return (
        f"{counts['injected']} faults upon faults injected (of {sweep.second_possible} in the recoveries "
        f"recorded), {counts['bitten']} bit, {counts['violated']} violated"
    )


def why(sweep: Sweep) -> Sequence[str]:
    """Why cells are n/a, did not bite or were not run, each reason once with how often."""
    silent = (Outcome.NOT_APPLICABLE, Outcome.DID_NOT_BITE, Outcome.NOT_RUN)
    reasons = Counter(
        (cell.outcome, cell.plan.kind, cell.why) for cell in sweep.cells if cell.outcome in silent
    )
    return [
        f"{outcome.value}, {kind.value}: {reason} ({times} points)"
        for (outcome, kind, reason), times in reasons.items()
    ]


def _table(sweep: Sweep) -> str:
    head = ["", "step", "link", "boundary", *(kind.value for kind in sweep.kinds)]
    lines = [f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}"]
    for point, marks in rows(sweep):
        shape = point.shape if len(point.shape) <= _SHAPE else point.shape[: _SHAPE - 1] + "…"
        cells = [str(point.ordinal), point.step, point.link, f"`{_plain(shape)}`", *marks]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _plain(text: str) -> str:
    return " ".join(text.replace("`", "'").replace("|", "/").split())


def _mark(sweep: Sweep, point: FaultPoint, kind: FaultKind) -> str:
    cell = sweep.at(point, kind)
    return "" if cell is None else MARKS[cell.outcome]
