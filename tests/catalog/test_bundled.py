"""Compares the bundled catalog with its files, read without the model."""

from __future__ import annotations

import tomllib
from importlib import resources

import pytest

from overbooked.catalog import Catalog, Means, Priority

FILES = ("flt.toml", "liv.toml", "sys.toml", "tbl.toml", "trn.toml")


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return Catalog.load()


@pytest.fixture(scope="module")
def rows() -> list[dict]:
    folder = resources.files("overbooked.catalog")
    return [row for name in FILES for row in tomllib.loads(folder.joinpath(name).read_text())["gap"]]


def test_there_are_157_gaps_545_clauses_and_at_least_535_mutants(catalog, rows):
    assert (len(catalog), len(catalog.clauses)) == (157, 545)
    assert len(catalog.mutants) == sum(len(row["open_when"]) for row in rows) >= 535
    assert len(rows) == 157
    assert sum(len(row["closed_when"]) for row in rows) == 545


def test_nothing_of_a_file_is_lost(catalog, rows):
    for row in rows:
        gap = catalog.gap(row["id"])
        assert (gap.title, gap.theme, gap.priority) == (row["title"], row["theme"], row["priority"])
        assert gap.impact == row.get("impact", "")
        assert gap.same_as == tuple(row.get("same_as", ()))
        assert [(c.letter, list(c.by), c.text) for c in gap.clauses] == [
            (c["id"], c["by"], c["text"]) for c in row["closed_when"]
        ]
        assert [(m.number, [name[-1] for name in m.breaks], m.text, m.origin) for m in gap.mutants] == [
            (m["id"], m["breaks"], m["text"], m.get("origin", "")) for m in row["open_when"]
        ]


def test_every_source_is_named(catalog):
    assert len({gap.source for gap in catalog}) == 5
    assert all(gap.source for gap in catalog)


def test_the_first_catalog_comes_first(catalog):
    assert catalog.gaps[0].id == "SYS-01"


def test_full_names_are_the_gap_and_the_letter_or_number(catalog):
    race = catalog.gap("SYS-03")
    assert race.clauses[2].name == "SYS-03.c"
    assert race.clauses[2].by == (Means.BURSTS,)
    assert race.mutants[4].name == "SYS-03.5"
    assert race.mutants[4].breaks == ("SYS-03.b", "SYS-03.d", "SYS-03.e")
    assert race.priority is Priority.P0


def test_an_id_may_hold_a_dot(catalog):
    assert catalog.gap("LIV-4.1").id == "LIV-4.1"
    assert catalog.clause("LIV-4.1.a").gap == "LIV-4.1"
    assert catalog.mutant("LIV-4.1.1").gap == "LIV-4.1"


def test_mutants_that_break_a_clause_are_found_from_both_sides(catalog):
    assert [m.number for m in catalog.gap("SYS-03").mutants_breaking("SYS-03.c")][:4] == [1, 2, 3, 6]
    named = {m.name for m in catalog.mutants_breaking(["SYS-03.c", "SYS-04.c"])}
    assert {"SYS-03.1", "SYS-03.2", "SYS-03.3", "SYS-03.6", "SYS-04.2"} <= named
    assert {name.partition(".")[0] for name in named} == {"SYS-03", "SYS-04"}
