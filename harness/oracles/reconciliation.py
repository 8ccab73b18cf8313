"""Reconciliation: finds every planted difference and names no other, repairs what policy allows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from harness.errors import GapFound
from harness.targets.port import DeadLetter, Discrepancy, DurableState, ReconciliationReport


def finds_exactly(planted: Iterable[Discrepancy], report: ReconciliationReport) -> None:
    """The report names each planted difference, by subject and kind, and nothing else."""
    wanted = {(one.subject, one.kind) for one in planted}
    found = set(report.differences)
    if wanted != found or len(found) != len(report.differences):
        missed = [f"missed: {kind} ({subject})" for subject, kind in sorted(wanted - found)]
        invented = [f"invented: {kind} ({subject})" for subject, kind in sorted(found - wanted)]
        named = list(report.differences)
        twice = [
            f"named twice: {kind} ({subject})"
            for subject, kind in sorted({pair for pair in named if named.count(pair) > 1})
        ]
        raise GapFound(
            "a reconciliation run does not find exactly the differences there are",
            expected=f"{len(wanted)} differences",
            observed=f"{len(missed)} missed, {len(invented)} invented, {len(twice)} named twice",
            operations=[*missed, *invented, *twice][:20],
        )


def finds_nothing(report: ReconciliationReport) -> None:
    """The run found and repaired nothing."""
    if report.differences or report.repairs:
        raise GapFound(
            "a second reconciliation run is not without effect",
            expected="no difference and no repair",
            observed=f"{len(report.differences)} differences, {len(report.repairs)} repairs",
            operations=[f"{kind} ({subject})" for subject, kind in report.differences]
            + [f"repaired {subject}: {action}" for subject, action in report.repairs],
        )


def put_before_a_person(one: Discrepancy, state: DurableState) -> None:
    """The difference lies in the dead-letter queue, once."""
    letters = dead_letters_about(one.subject, state)
    if len(letters) != 1:
        raise GapFound(
            "what the policy does not let it repair is not put before a person",
            expected=f"one dead letter about {one.subject} ({one.kind})",
            observed=f"{len(letters)}",
            operations=[f"{letter.source}: {letter.subject}, {letter.reason}" for letter in letters],
        )


def dead_letters_about(subject: str, state: DurableState, *, source: str = "") -> Sequence[DeadLetter]:
    """The dead letters about a subject, from one source where it is named."""
    return [
        letter
        for letter in state.dead_letters
        if letter.subject == subject and (not source or letter.source == source)
    ]
