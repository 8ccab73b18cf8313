"""The target's list of mutants is used; a failing command is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from overbooked.config import Settings
from overbooked.descriptor import Descriptor, load
from overbooked.errors import ConfigError, UnknownGap
from overbooked.runs.mutants import available_mutants, require_mutant

CATALOG = Settings().catalog()


def target(tmp_path: Path, program: str | None) -> Descriptor:
    lines = ['name = "toy"', 'adapter = "tests.plugin.toy_stack:Adapter"']
    if program is not None:
        lines += ["[mutants]", f'list = ["{{python}}", "-c", """{program}"""]', 'serve = ["true"]']
    file = tmp_path / "toy.toml"
    file.write_text("\n".join(lines))
    return load(file)


@pytest.mark.parametrize(
    "program", ["print('[\\\"SYS-03.1\\\"]')", 'print(\'[{\\"id\\": \\"SYS-03.1\\"}]\')']
)
def test_names_and_rows_are_understood(tmp_path: Path, program: str) -> None:
    assert available_mutants(target(tmp_path, program)) == {"SYS-03.1"}


def test_a_target_without_mutants_has_none(tmp_path: Path) -> None:
    assert available_mutants(target(tmp_path, None)) == frozenset()


@pytest.mark.parametrize("program", ["raise SystemExit('out of order')", "print('no JSON')", "print('[{}]')"])
def test_a_command_that_is_of_no_use_is_named(tmp_path: Path, program: str) -> None:
    with pytest.raises(ConfigError, match=r"toy: mutants\.list"):
        available_mutants(target(tmp_path, program))


def test_a_mutant_it_does_not_have_is_refused(tmp_path: Path) -> None:
    toy = target(tmp_path, "print('[\\\"SYS-03.1\\\"]')")
    require_mutant(CATALOG.mutant("SYS-03.1"), toy)
    with pytest.raises(UnknownGap, match=r"of SYS-03 it has SYS-03\.1"):
        require_mutant(CATALOG.mutant("SYS-03.2"), toy)
    with pytest.raises(UnknownGap, match="none of SYS-07"):
        require_mutant(CATALOG.mutant("SYS-07.1"), toy)
