"""The mutants of the hard set: one for each that its catalog names, and each finds what it replaces."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from overbooked.catalog import Catalog
from reference_system.mutants.registry import mutants

HARD = Path(__file__).parents[2] / "scenarios" / "hard" / "hard.toml"
APPLY = """
from reference_system.mutants.registry import mutants
for name, mutant in mutants().items():
    if name.startswith("HARD-"):
        mutant.apply()
        print(name)
"""


def named() -> list[str]:
    return [mutant.name for gap in Catalog.load([HARD]).select(theme="hard") for mutant in gap.mutants]


def test_every_mutant_of_the_hard_set_is_built_and_no_other() -> None:
    assert [name for name in mutants() if name.startswith("HARD-")] == named()


def test_each_finds_what_it_replaces() -> None:
    # In a process of its own: what is replaced stays so.
    done = subprocess.run([sys.executable, "-c", APPLY], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == named()
