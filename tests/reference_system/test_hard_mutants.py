"""The mutants of the hard set: each one in its catalog exists."""

from __future__ import annotations

from pathlib import Path

from overbooked.catalog import Catalog
from reference_system.mutants.listing import listed_mutants

HARD = Path(__file__).parents[2] / "scenarios" / "hard" / "hard.toml"


def test_every_mutant_of_the_hard_set_is_built_and_no_other() -> None:
    named = [mutant.name for gap in Catalog.load([HARD]).select(theme="hard") for mutant in gap.mutants]
    assert [name for name in listed_mutants() if name.startswith("HARD-")] == named
