"""Checks of reconciliation reports: they name every planted discrepancy and no other."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from overbooked.capabilities.durable_state import DurableState
from overbooked.capabilities.reconciliation import Discrepancy, ReconciliationReport
from overbooked.capabilities.webhooks import DeadLetter
from overbooked.errors import GapFound


def finds_exactly(
    planted: Iterable[Discrepancy],
    report: ReconciliationReport,
    known: Collection[tuple[str, str]] = (),
) -> None:
    """The report names each planted discrepancy once, by subject and kind, and nothing else, near misses
    included.

    Args:
        known: earlier discrepancies that await manual resolution, as `(subject, kind)`; they may be named
            again.
    """
    planted = list(planted)
    wanted = {pair for one in planted for pair in one.named}
    labels = {one.subject: one.label for one in planted}
    named = [pair for pair in report.differences if pair not in known]
    found = set(named)
    if wanted != found or len(found) != len(named):

        def line(subject: str, kind: str) -> str:
            return f"{kind} ({subject}{', ' if subject in labels else ''}{labels.get(subject, '')})"

        missed = [f"missed: {line(*pair)}" for pair in sorted(wanted - found)]
        invented = [f"invented: {line(*pair)}" for pair in sorted(found - wanted)]
        twice = [
            f"named twice: {line(subject, kind)}"
            for subject, kind in sorted({pair for pair in named if named.count(pair) > 1})
        ]
        raise GapFound(
            "a reconciliation run does not find exactly the existing discrepancies",
            expected=f"{len(wanted)} differences",
            observed=f"{len(missed)} missed, {len(invented)} invented, {len(twice)} named twice",
            operations=[*missed, *invented, *twice][:80],
        )


def finds_nothing(report: ReconciliationReport, known: Collection[tuple[str, str]] = ()) -> None:
    """The run found and repaired nothing.

    Args:
        known: discrepancies that await manual resolution, as `(subject, kind)`; they may be named again.
    """
    found = [pair for pair in report.differences if pair not in known]
    if found or report.repairs:
        raise GapFound(
            "a second reconciliation run has an effect",
            expected="no difference and no repair",
            observed=f"{len(found)} differences, {len(report.repairs)} repairs",
            operations=[f"{kind} ({subject})" for subject, kind in found]
            + [f"repaired {subject}: {action}" for subject, action in report.repairs],
        )


def put_before_a_person(one: Discrepancy, state: DurableState) -> None:
    """The discrepancy is in the dead-letter queue exactly once."""
    letters = dead_letters_about(one.subject, state)
    if len(letters) != 1:
        raise GapFound(
            "a discrepancy that the policy does not allow to repair is not queued for manual resolution",
            expected=f"one dead letter about {one.subject} ({one.kind})",
            observed=f"{len(letters)}",
            operations=[f"{letter.source}: {letter.subject}, {letter.reason}" for letter in letters],
        )


def dead_letters_about(subject: str, state: DurableState, *, source: str = "") -> Sequence[DeadLetter]:
    """Return the dead letters about a subject, from one source if given."""
    return [
        letter
        for letter in state.dead_letters
        if letter.subject == subject and (not source or letter.source == source)
    ]
