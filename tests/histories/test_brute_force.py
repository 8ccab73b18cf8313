"""The checker and an exhaustive search agree on small histories of every kind."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from overbooked.histories import History, SlotModel, check, oversold
from overbooked.histories.model import Partition
from overbooked.histories.models.slot import SlotState
from tests.histories.brute_force import linearizable
from tests.histories.strategies import BEFORE, histories

many = settings(
    max_examples=400,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize=True,
)


class Apart(SlotModel):
    """The same model, with every booking tracked by name."""

    def prepare(
        self, history: History, *, apart: bool = False
    ) -> Sequence[Partition[SlotState, tuple[object, ...]]]:
        return super().prepare(history, apart=True)

    def refute(self, history: History) -> None:
        return None


class Searched(SlotModel):
    """A model without its shortcuts, so that the search decides everything."""

    def refute(self, history: History) -> None:
        return None


@many
@given(histories(), st.integers(1, 2), st.integers(0, 2))
def test_the_checker_agrees_with_brute_force(history: History, a: int, b: int):
    capacities = {"A": a, "B": b}
    expected = linearizable(history, capacities, BEFORE)
    assert check(SlotModel(capacities, BEFORE), history, shrink_s=0).ok == expected
    assert check(Searched(capacities, BEFORE), history, shrink_s=0).ok == expected
    assert check(Apart(capacities, BEFORE), history, shrink_s=0).ok == expected


@many
@given(histories(max_size=9), st.integers(1, 2), st.integers(0, 2))
def test_the_sweep_condemns_only_what_the_checker_does(history: History, a: int, b: int):
    capacities = {"A": a, "B": b}
    if oversold(history, capacities, BEFORE):
        assert check(Searched(capacities, BEFORE), history, shrink_s=0).illegal


@settings(many, max_examples=60)
@given(histories(max_size=9), st.integers(1, 2), st.integers(0, 2))
def test_a_counterexample_is_part_of_the_history_and_no_order_explains_it(history: History, a: int, b: int):
    checked = check(Searched({"A": a, "B": b}, BEFORE), history, shrink_s=60)
    if checked.illegal:
        found = checked.counterexample
        assert found is not None
        known = {op.actor for op in history}
        assert {op.actor for op in found.operations} <= {op.actor for op in found.prefix} <= known
        assert found.operations
        assert len(found.placed) < len(found.operations)
