from __future__ import annotations

import io
import json

from rich.console import Console

from overbooked.reporting.kill_matrix import (
    attention,
    matrix_json,
    matrix_markdown,
    matrix_table,
    verdict_line,
)
from overbooked.reporting.terminal import show
from overbooked.verdicts.kill_matrix import KillMatrix
from tests.verdicts.samples import CLOSED, INCONCLUSIVE, OPEN
from tests.verdicts.test_matrix import changed, good, matrix, seen


def table(proof: KillMatrix) -> str:
    out = io.StringIO()
    show(Console(file=out), matrix_table(proof))
    return out.getvalue()


def rows(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines()]


def test_a_gap_is_a_table_of_clauses_by_its_mutants():
    assert rows(table(matrix(good())))[:7] == [
        ["T-1"],
        ["clause", "healthy", "T-1.1", "T-1.2", "T-1.3"],
        ["T-1.a", "-", "-", "-", "-"],
        ["T-1.b", ".", "open", ".", "?"],
        ["T-1.c", ".", "open", "open", "?"],
        ["T-2"],
        ["clause", "healthy", "T-2.1"],
    ]


def test_repetitions_are_counted_where_there_are_some():
    text = table(matrix(good(20)))
    assert "open 20/20" in text
    assert ". 20/20" in text
    assert "MISSED 1/2" in table(changed("T-1.2", "T-1.c", OPEN, CLOSED))


def test_the_last_line_sums_it_up():
    assert verdict_line(matrix(good())) == (
        "3 of 3 mutants killed, no false alarm, 1 break no clause that is asked"
    )
    assert "2 of 3 mutants killed" in verdict_line(changed("T-1.2", "T-1.c", CLOSED))
    assert "1 false alarm, 1 flaky" in verdict_line(changed(None, "T-2.a", CLOSED, OPEN))


def test_what_needs_attention_is_said_in_one_line_each():
    assert list(attention(matrix(good()))) == []
    assert list(attention(changed("T-1.2", "T-1.c", OPEN, CLOSED))) == [
        "missed: T-1.2 x T-1.c 1x open, 1x closed: it was open"
    ]
    assert list(attention(changed(None, "T-2.a", OPEN))) == [
        "false alarm: T-2.a open on the healthy system: it was open"
    ]
    assert list(attention(changed(None, "T-2.a", INCONCLUSIVE))) == [
        "undecided: healthy x T-2.a inconclusive: it was inconclusive"
    ]
    assert list(attention(changed("T-1.2", "T-2.a", OPEN, CLOSED))) == [
        "flaky: T-1.2 x T-2.a 1x open, 1x closed",
        "also opened: T-1.2 x T-2.a 1x open, 1x closed, unexplained",
    ]
    missing = [o for o in good() if o.mutant != "T-2.1"]
    assert list(attention(matrix(missing))) == ["not run: T-2.1 x T-2.a"]


def test_an_explanation_is_told():
    proof = matrix([*good(), *seen("T-1.2", "T-2.a", OPEN)], explained={("T-1.2", "T-2.a"): "same place"})
    told = list(attention(proof))
    assert told[-1].endswith(": same place")


def test_markdown_has_the_tables_the_mutants_and_the_facts():
    text = matrix_markdown(
        matrix(good(2), about={"seed": 4711, "versions": {"Redis": "6.2", "Python": "3.11"}})
    )
    assert text.startswith("# Kill matrix\n\n**3 of 3 mutants killed, no false alarm,")
    assert "- seed: 4711\n- versions: Redis 6.2, Python 3.11\n" in text
    assert "| clause | healthy | T-1.1 | T-1.2 | T-1.3 |\n|---|---|---|---|---|\n" in text
    assert "| T-1.c | . 2/2 | open 2/2 | open 2/2 | ? |\n" in text
    assert "- T-1.2: lock dropped early\n" in text
    assert "## Attention" not in text


def test_markdown_lists_what_needs_attention():
    text = matrix_markdown(changed("T-1.2", "T-2.a", OPEN))
    assert "## Attention\n\n- also opened: T-1.2 x T-2.a open, unexplained\n" in text


def test_the_table_of_another_gap_leaves_what_a_mutant_opened_there_to_the_list():
    text = table(changed("T-1.2", "T-2.a", OPEN, OPEN))
    assert "also opened: T-1.2 x T-2.a 2x open, unexplained" in text


def test_a_neighbour_clause_of_the_same_gap_is_marked():
    assert "also 2/2" in table(changed("T-1.2", "T-1.b", OPEN, OPEN))


def test_json_is_the_document():
    proof = matrix(good())
    assert json.loads(matrix_json(proof)) == json.loads(json.dumps(proof.as_dict()))
