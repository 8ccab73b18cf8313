"""The four verdicts and how they combine."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum


class Verdict(StrEnum):
    """What is known of a clause or a gap."""

    CLOSED = "closed"
    OPEN = "open"
    INCONCLUSIVE = "inconclusive"
    NOT_COVERED = "not covered"


# Worst first: a gap takes the worst verdict of the clauses that were asked.
SEVERITY: tuple[Verdict, ...] = (
    Verdict.OPEN,
    Verdict.INCONCLUSIVE,
    Verdict.NOT_COVERED,
    Verdict.CLOSED,
)


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """The worst of some verdicts; NOT_COVERED when there are none, since nothing was judged."""
    return min(verdicts, key=SEVERITY.index, default=Verdict.NOT_COVERED)
