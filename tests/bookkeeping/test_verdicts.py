"""What a scenario raises decides what is entered."""

from __future__ import annotations

from collections.abc import Callable

from harness.bookkeeping.plan import Variant

from .conftest import Court

Make = Callable[..., Variant]


def test_a_scenario_with_evidence_closes_its_clause(court: Court, healthy: Make) -> None:
    session = court.hold(
        """
@gap("SYS-03.c")
async def test_it(stack, judge):
    judge.count("rounds", 3)
""",
        healthy("SYS-03.c"),
    )
    assert session.verdicts() == {"healthy SYS-03.c": "closed"}
    assert session.diary == ["start None x2", "heal", "close"]


def test_a_scenario_that_showed_nothing_fails_and_is_inconclusive(court: Court, healthy: Make) -> None:
    session = court.hold(
        """
@gap("SYS-03.c")
def test_it():
    pass
""",
        healthy("SYS-03.c"),
    )
    assert session.verdicts() == {"healthy SYS-03.c": "inconclusive"}
    assert session.outcomes == [0, 0, 1]
