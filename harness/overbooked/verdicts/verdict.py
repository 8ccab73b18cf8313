"""The four verdicts and how they combine."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum


class Verdict(StrEnum):
    """The verdict on a clause or gap."""

    CLOSED = "closed"
    OPEN = "open"
    INCONCLUSIVE = "inconclusive"
    NOT_COVERED = "not covered"


# Worst first: a gap gets the worst verdict of its requested clauses.
SEVERITY: tuple[Verdict, ...] = (
    Verdict.OPEN,
    Verdict.INCONCLUSIVE,
    Verdict.NOT_COVERED,
    Verdict.CLOSED,
)


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """Return the worst of some verdicts; NOT_COVERED if there are none, because nothing was judged."""
    return min(verdicts, key=SEVERITY.index, default=Verdict.NOT_COVERED)
