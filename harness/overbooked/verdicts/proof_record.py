"""The committed form of kill matrices: merged proofs, with counts instead of single observations."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from overbooked.errors import UsageError
from overbooked.plain_text import bounded
from overbooked.verdicts.kill_matrix import HEALTHY, Cell, CellState, KillMatrix
from overbooked.verdicts.verdict import Verdict

RECORD_VERSION = 2
REASON_CHARACTERS = 120


def merged(matrices: Sequence[KillMatrix]) -> KillMatrix:
    """Merge the matrices of several proofs (shards or repetitions); the verdicts of a cell are concatenated.

    Raises:
        UsageError: there is no matrix, or a shard is missing.
    """
    if not matrices:
        raise UsageError("wanted at least one proof to merge, found none")
    if len(matrices) > 1:
        _require_every_shard(matrices)
    clauses = tuple(sorted({clause for each in matrices for clause in each.clauses}, key=_order))
    names = {mutant for each in matrices for mutant in each.mutants if mutant is not None}
    mutants: tuple[str | None, ...] = (None, *sorted(names, key=_order))
    cells: dict[tuple[str | None, str], Cell] = {}
    for mutant in mutants:
        for clause in clauses:
            same = [each.cells[mutant, clause] for each in matrices if (mutant, clause) in each.cells]
            cells[mutant, clause] = _one(mutant, clause, same)
    texts = {name: text for each in matrices for name, text in each.texts.items()}
    return KillMatrix(clauses, mutants, cells, (), texts, _about(matrices))


def _require_every_shard(matrices: Sequence[KillMatrix]) -> None:
    shards = [str(each.about["shard"]).split("/") for each in matrices if "shard" in each.about]
    for of in dict.fromkeys(of for _, of in shards):
        present = {int(index) for index, parts in shards if parts == of}
        if missing := [str(index) for index in range(1, int(of) + 1) if index not in present]:
            raise UsageError(f"of {of} shards of the proof {', '.join(missing)} is missing; name its run too")


def _one(mutant: str | None, clause: str, cells: Sequence[Cell]) -> Cell:
    return Cell(
        mutant=mutant,
        clause=clause,
        expected=any(cell.expected for cell in cells),
        asked=any(cell.asked for cell in cells),
        verdicts=tuple(verdict for cell in cells for verdict in cell.verdicts),
        reasons=tuple(dict.fromkeys(reason for cell in cells for reason in cell.reasons)),
        explained=next((cell.explained for cell in cells if cell.explained), ""),
    )


def _about(matrices: Sequence[KillMatrix]) -> Mapping[str, Any]:
    """Return the facts about the proofs; differing values are listed."""
    if len(matrices) == 1:
        return matrices[0].about
    found: dict[str, Any] = {}
    for name in dict.fromkeys(name for each in matrices for name in each.about):
        if name in ("left out", "not proven", "shard", "duration_s"):
            continue  # of one part
        values = [each.about[name] for each in matrices if name in each.about]
        different = list(dict.fromkeys(json.dumps(value, sort_keys=True) for value in values))
        found[name] = values[0] if len(different) == 1 else ", ".join(map(str, map(json.loads, different)))
    return found


def record_text(matrix: KillMatrix) -> str:
    """Return the matrix as JSON with one cell per line; cells without a verdict or expectation are
    omitted."""
    cells = [_cell(cell) for cell in matrix.cells.values() if cell.verdicts or cell.expected]
    head = {
        "matrix_version": RECORD_VERSION,
        "about": dict(matrix.about),
        "proven": matrix.proven,
        "verdicts": sum(len(cell.verdicts) for cell in matrix.cells.values()),
        "wrong_verdicts": matrix.wrong_verdicts,
        "killed": list(matrix.killed),
        "survivors": list(matrix.survivors),
        "unproven": list(matrix.unproven),
        "false_alarms": [cell.clause for cell in matrix.false_alarms],
        "clauses": list(matrix.clauses),
    }
    mutants = [{"id": name, "text": matrix.texts.get(name, "")} for name in matrix.mutants if name]
    lines = [f" {json.dumps(name)}: {_compact(value)}," for name, value in head.items()]
    return "\n".join(["{", *lines, *_rows("mutants", mutants), *_rows("cells", cells, last=True), "}", ""])


def _rows(name: str, rows: Sequence[Mapping[str, Any]], *, last: bool = False) -> Iterable[str]:
    yield f' "{name}": ['
    yield ",\n".join(f"  {_compact(row)}" for row in rows)
    yield " ]" if last else " ],"


def _compact(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


def _cell(cell: Cell) -> dict[str, Any]:
    said: dict[str, Any] = {
        "mutant": cell.mutant or HEALTHY,
        "clause": cell.clause,
        "state": cell.state.value,
        "expected": cell.expected,
        "verdicts": {verdict.value: n for verdict, n in Counter(cell.verdicts).items()},
    }
    if cell.reasons:
        said["reason"] = bounded(cell.reasons[0].partition("\n")[0], REASON_CHARACTERS)
    if cell.explained:
        said["explained"] = cell.explained
    return said


def read_record(text: str, where: str) -> KillMatrix:
    """Parse a matrix written by `prove` or `record_text`, without its observations.

    Raises:
        UsageError: the text is not a kill matrix, or its version is not supported.
    """
    try:
        data = json.loads(text)
        if data["matrix_version"] not in (1, RECORD_VERSION):
            raise UsageError(
                f"{where}: a kill matrix of version {data['matrix_version']}; versions 1 and 2 are read here"
            )
        rows = [_read(row) for row in data["cells"]]
        clauses = tuple(data["clauses"])
        texts = {row["id"]: row["text"] for row in data["mutants"]}
        about = data["about"]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"{where}: not a kill matrix: {error}") from error
    known = {(cell.mutant, cell.clause): cell for cell in rows}
    mutants: tuple[str | None, ...] = (None, *texts)
    asked = {cell.clause for cell in rows if cell.mutant is None and cell.asked}
    cells = {
        (mutant, clause): known.get((mutant, clause))
        or Cell(mutant, clause, expected=False, asked=mutant is not None and clause in asked)
        for mutant in mutants
        for clause in clauses
    }
    return KillMatrix(clauses, mutants, cells, (), texts, about)


def _read(row: Mapping[str, Any]) -> Cell:
    said = row["verdicts"]
    counted = list(said.items()) if isinstance(said, Mapping) else [(verdict, 1) for verdict in said]
    reasons = row["reasons"] if "reasons" in row else filter(None, [row.get("reason", "")])
    return Cell(
        mutant=None if row["mutant"] == HEALTHY else row["mutant"],
        clause=row["clause"],
        expected=row["expected"],
        asked=row["state"] != CellState.NOT_ASKED.value,
        verdicts=tuple(Verdict(verdict) for verdict, n in counted for _ in range(n)),
        reasons=tuple(reasons),
        explained=row.get("explained", ""),
    )


def _order(name: str) -> tuple[str, int, str]:
    """Return the sort key: gaps by name, then mutants by number and clauses by letter."""
    gap, _, last = name.rpartition(".")
    return gap, int(last) if last.isdecimal() else 0, last
