from __future__ import annotations

import pytest

from overbooked.verdicts.verdict import Verdict, worst
from tests.verdicts.samples import CLOSED, INCONCLUSIVE, NOT_COVERED, OPEN


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        ([CLOSED, CLOSED], CLOSED),
        ([CLOSED, NOT_COVERED], NOT_COVERED),
        ([NOT_COVERED, INCONCLUSIVE, CLOSED], INCONCLUSIVE),
        ([INCONCLUSIVE, OPEN, CLOSED], OPEN),
        ([], NOT_COVERED),
    ],
)
def test_the_worst_counts(verdicts: list[Verdict], expected: Verdict):
    assert worst(verdicts) is expected
