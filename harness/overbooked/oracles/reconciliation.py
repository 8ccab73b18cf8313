"""Reconciliation: finds every planted difference and names no other, repairs what policy allows."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from overbooked.errors import GapFound
from overbooked.targets.adapter import DeadLetter, Discrepancy, DurableState, ReconciliationReport


def finds_exactly(
    planted: Iterable[Discrepancy],
    report: ReconciliationReport,
    known: Collection[tuple[str, str]] = (),
) -> None:
    """The report names each planted difference, by subject and kind, once, and nothing else.

    Args:
        known: what was named before anything was planted and is nobody's to repair; it may be named again.
    """
    wanted = {(one.subject, one.kind) for one in planted}
    named = [pair for pair in report.differences if pair not in known]
    found = set(named)
    if wanted != found or len(found) != len(named):
        missed = [f"missed: {kind} ({subject})" for subject, kind in sorted(wanted - found)]
        invented = [f"invented: {kind} ({subject})" for subject, kind in sorted(found - wanted)]
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


def finds_nothing(report: ReconciliationReport, known: Collection[tuple[str, str]] = ()) -> None:
    """The run found and repaired nothing.

    Args:
        known: what waits for a person already, as `(subject, kind)`; it may be named again.
    """
    found = [pair for pair in report.differences if pair not in known]
    if found or report.repairs:
        raise GapFound(
            "a second reconciliation run is not without effect",
            expected="no difference and no repair",
            observed=f"{len(found)} differences, {len(report.repairs)} repairs",
            operations=[f"{kind} ({subject})" for subject, kind in found]
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
