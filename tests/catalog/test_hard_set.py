"""The hard set: a separate catalog that extends the bundled one and is never part of it."""

from __future__ import annotations

from pathlib import Path

from overbooked.catalog import Catalog
from overbooked.catalog.model import Means

HARD = Path(__file__).parents[2] / "scenarios" / "hard" / "hard.toml"


def test_the_bundled_catalog_has_none_of_the_hard_set() -> None:
    assert not [gap.id for gap in Catalog.load() if gap.id.startswith("HARD-")]


def test_the_hard_set_goes_on_top_of_the_bundled_catalog() -> None:
    bundled, whole = Catalog.load(), Catalog.load([HARD])
    added = whole.gaps[len(bundled) :]

    assert whole.gaps[: len(bundled)] == bundled.gaps
    assert {gap.theme for gap in added} == {"hard"}
    assert not {"hard"}.intersection(bundled.themes)


def test_each_gap_of_the_hard_set_is_shown_by_exploration_alone() -> None:
    for gap in Catalog.load([HARD]).select(theme="hard"):
        assert [clause.by for clause in gap.clauses] == [(Means.INTERLEAVINGS,)]
        assert [mutant.breaks for mutant in gap.mutants] == [(gap.clauses[0].name,)]
