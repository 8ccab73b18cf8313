"""Fingerprints of bundles change only if the meaning of their source changes."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from overbooked.bundles.fingerprints import (
    _same_scenario,
    catalog_fingerprint,
    fingerprints_of,
    migrations_fingerprint,
    mismatches,
    scenario_fingerprint,
)
from overbooked.bundles.schema import Fingerprints
from overbooked.catalog import Catalog
from tests.bundles.test_schema import bundle

SOURCE = """
@gap("SYS-03.a")
async def test_it(system):
    assert system


class TestIn:
    def test_it(self):
        return 1
"""
NODE = "scenarios/test_x.py::test_it[2]"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "scenarios").mkdir()
    (tmp_path / "scenarios" / "test_x.py").write_text(SOURCE)
    return tmp_path


def fingerprint(root: Path, source: str, node: str = NODE) -> str:
    (root / "scenarios" / "test_x.py").write_text(source)
    return scenario_fingerprint(node, root)


def test_layout_and_neighbours_change_no_scenario(root: Path) -> None:
    before = scenario_fingerprint(NODE, root)
    assert before
    assert fingerprint(root, "# new\nimport os\n" + SOURCE.replace("(system)", "( system )")) == before
    assert scenario_fingerprint("scenarios/test_x.py::test_it[3]", root) == before


@pytest.mark.parametrize(("old", "new"), [("assert system", "assert not system"), ("SYS-03.a", "SYS-03.b")])
def test_another_body_or_binding_is_another_scenario(root: Path, old: str, new: str) -> None:
    before = scenario_fingerprint(NODE, root)
    assert fingerprint(root, SOURCE.replace(old, new)) not in {before, ""}


def test_a_method_is_found_in_its_class(root: Path) -> None:
    inner = scenario_fingerprint("scenarios/test_x.py::TestIn::test_it", root)
    assert inner not in {"", scenario_fingerprint(NODE, root)}


def test_a_race_function_that_a_scenario_runs_is_part_of_it(tmp_path: Path) -> None:
    source = """
async def race(system):
    yield prepare(system)

def prepare(system):
    return [1]

async def test_it(explorer, system):
    await explorer.explore(race, system)
"""
    file = tmp_path / "test_x.py"
    file.write_text(source)
    before = scenario_fingerprint("test_x.py::test_it", tmp_path)
    file.write_text(source.replace("[1]", "[2]"))
    after = scenario_fingerprint("test_x.py::test_it", tmp_path)
    assert after != before
    assert _same_scenario(before, before)
    assert not _same_scenario(before, after)
    assert _same_scenario(before.partition("+")[0], after), "an older bundle knows the scenario alone"


@pytest.mark.parametrize(
    "node",
    ["scenarios/test_x.py::test_other", "scenarios/none.py::test_it", "scenarios/test_x.py", "x::TestIn::no"],
)
def test_what_is_not_there_has_no_fingerprint(root: Path, node: str) -> None:
    assert scenario_fingerprint(node, root) == ""


def test_a_file_that_is_no_python_has_no_fingerprint(root: Path) -> None:
    assert fingerprint(root, "def (") == ""


def test_the_catalogs_sentences_are_of_clause_and_mutant() -> None:
    catalog = Catalog.load()
    known = {catalog_fingerprint("SYS-03.a", mutant, catalog) for mutant in (None, "SYS-03.1", "SYS-03.2")}
    assert len(known) == 3
    assert "" not in known
    assert catalog_fingerprint("SYS-03.a", "SYS-03.99", catalog) == ""
    assert catalog_fingerprint("SYS-03.zz", None, catalog) == ""


def system(root: Path, *migrations: str, name: str = "toy") -> Any:
    database = SimpleNamespace(migrations=migrations)
    return SimpleNamespace(name=name, root=root, database=database if migrations else None)


def test_migrations_are_all_their_files(root: Path) -> None:
    before = migrations_fingerprint(system(root, "scenarios"))
    (root / "scenarios" / "x.pyc").write_bytes(b"1")
    assert migrations_fingerprint(system(root, "scenarios")) == before
    (root / "scenarios" / "0002.sql").write_text("ALTER TABLE slots")
    assert migrations_fingerprint(system(root, "scenarios")) != before
    assert migrations_fingerprint(system(root)) == ""


def test_everything_fits_what_it_was_made_of(root: Path) -> None:
    now = fingerprints_of(
        NODE, "SYS-03.a", None, root=root, catalog=Catalog.load(), descriptor=system(root, "scenarios")
    )
    assert mismatches(bundle(fits=now), now) == []


@pytest.mark.parametrize(
    ("now", "said"),
    [
        ({"target": "other"}, ["it was made with toy, and overbooked.toml names other"]),
        ({"scenario": "b"}, ["the scenario scenarios/test_races.py::test_it[2] has changed"]),
        ({"scenario": ""}, ["the scenario scenarios/test_races.py::test_it[2] no longer exists"]),
        ({"catalog": "b"}, ["the catalog's text of SYS-03.a or of its mutant has changed"]),
        ({"migrations": ""}, ["the migrations have changed"]),
        (
            {"migrations": "b", "catalog": "b"},
            ["the catalog's text", "the migrations have changed"],
        ),
    ],
)
def test_what_no_longer_fits_is_said(now: dict[str, str], said: list[str]) -> None:
    then = {"target": "toy", "scenario": "a", "catalog": "a", "migrations": "a"}
    found = mismatches(bundle(fits=Fingerprints(**then)), Fingerprints(**{**then, **now}))
    assert [one[: len(part)] for one, part in zip(found, said, strict=True)] == said


def test_what_was_not_known_is_not_compared() -> None:
    assert (
        mismatches(
            bundle(fits=Fingerprints(target="toy")), Fingerprints(target="toy", scenario="a", migrations="b")
        )
        == []
    )
