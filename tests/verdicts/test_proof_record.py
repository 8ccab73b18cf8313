"""The committed proof: one matrix with counts, a page made from it, small enough for all gaps."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from overbooked.catalog import Catalog
from overbooked.errors import UsageError
from overbooked.reporting.kill_matrix import matrix_json, matrix_markdown
from overbooked.verdicts.kill_matrix import KillMatrix, Observation
from overbooked.verdicts.proof_record import merged, read_record, record_text
from overbooked.verdicts.verdict import Verdict
from tests.verdicts.test_matrix import changed, good, matrix

PROOF = Path(__file__).parents[2] / "docs" / "proof"


def test_the_page_is_made_from_the_committed_matrix() -> None:
    record = read_record((PROOF / "matrix.json").read_text(), "matrix.json")
    assert (PROOF / "matrix.md").read_text() == matrix_markdown(record)
    assert record_text(record) == (PROOF / "matrix.json").read_text()


def test_the_committed_matrix_is_a_proof_of_the_catalog_as_it_is() -> None:
    record = read_record((PROOF / "matrix.json").read_text(), "matrix.json")
    catalog = Catalog.load([Path(__file__).parents[2] / "scenarios" / "hard" / "hard.toml"])
    assert record.proven
    for name in record.killed:
        broken = {clause for clause in record.clauses if record.cells[name, clause].expected}
        assert broken == set(catalog.mutant(name).breaks), name


def test_nothing_else_is_committed_of_a_proof() -> None:
    assert sorted(file.name for file in PROOF.iterdir()) == ["blind", "blind.md", "matrix.json", "matrix.md"]
    assert {file.suffix for file in (PROOF / "blind").iterdir()} == {".md"}


@pytest.mark.parametrize("proof", [matrix(good(3)), changed("T-1.2", "T-1.c", Verdict.OPEN, Verdict.CLOSED)])
def test_a_matrix_says_the_same_with_counts_as_with_observations(proof: KillMatrix) -> None:
    for text in (matrix_json(proof), record_text(proof)):
        again = read_record(text, "matrix.json")
        for name in ("killed", "survivors", "unproven", "proven", "wrong_verdicts"):
            assert getattr(again, name) == getattr(proof, name)
        assert [c.state for c in again.cells.values()] == [c.state for c in proof.cells.values()]
        assert matrix_markdown(again) == matrix_markdown(proof)


def test_mutants_that_no_asked_clause_shows_are_in_it() -> None:
    data = json.loads(record_text(matrix(good())))
    assert data["unproven"] == ["T-1.3"]
    assert "T-1.3" in {row["id"] for row in data["mutants"]}


def test_repetitions_add_up_and_one_that_is_wrong_stays_wrong() -> None:
    both = merged([matrix(good(20)), changed("T-1.2", "T-1.c", Verdict.CLOSED)])
    assert len(both.cells["T-1.2", "T-1.c"].verdicts) == 21
    assert both.survivors == ("T-1.2",)
    assert both.wrong_verdicts == 1
    assert not both.proven


def test_shards_of_a_proof_make_the_whole_and_a_missing_one_is_no_proof() -> None:
    def part(shard: str, mutants: tuple[str, ...], healthy: set[str]) -> KillMatrix:
        mine = [
            each
            for each in good()
            if each.mutant in mutants or (each.mutant is None and each.clause in healthy)
        ]
        return matrix(mine, mutants=mutants, healthy=healthy, about={"shard": shard})

    first = part("1/2", ("T-1.1",), {"T-1.b", "T-1.c"})
    second = part("2/2", ("T-1.2", "T-1.3", "T-2.1"), {"T-2.a"})
    whole = merged([second, first])
    assert whole.proven
    assert whole.killed == matrix(good()).killed
    with pytest.raises(UsageError, match="of 2 shards of the proof 1 is missing"):
        merged([second, second])
    assert [c.state for c in whole.cells.values()] == [c.state for c in matrix(good()).cells.values()]


def test_all_gaps_take_less_than_half_a_megabyte() -> None:
    """A made-up proof of every clause and mutant of the catalog, with the longest reasons kept."""
    catalog = Catalog.load()
    assert len(catalog.gaps) == 157
    seen = [Observation(None, clause, n, Verdict.CLOSED) for clause in catalog.clauses for n in range(20)]
    for mutant in catalog.mutants.values():
        for clause in mutant.breaks:
            seen += [Observation(mutant.name, clause, n, Verdict.OPEN, "a reason " * 40) for n in range(20)]
    proof = KillMatrix.build(
        catalog,
        seen,
        clauses=list(catalog.clauses),
        mutants=list(catalog.mutants),
        asked=set(catalog.clauses),
    )
    assert proof.proven
    assert len(record_text(proof).encode()) < 500_000
    assert len(matrix_markdown(proof).encode()) < 500_000


@pytest.mark.parametrize(
    "text",
    ["", "{}", '{"matrix_version": 9}', '{"matrix_version": 1, "cells": [1], "clauses": [], "mutants": []}'],
)
def test_what_is_not_a_matrix_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        read_record(text, "matrix.json")
