"""The kill matrix as a table for a terminal, as Markdown and as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from overbooked.reporting.markdown import cell, table
from overbooked.verdicts.kill_matrix import HEALTHY, Cell, CellState, KillMatrix
from overbooked.verdicts.verdict import Verdict

SIGNS: Mapping[CellState, str] = {
    CellState.KILLED: "open",
    CellState.MISSED: "MISSED",
    CellState.NOT_ASKED: "-",
    CellState.NOT_RUN: "?",
    CellState.ALSO_OPENED: "also",
    CellState.QUIET: ".",
    CellState.FALSE_ALARM: "FALSE",
    CellState.UNDECIDED: "undecided",
}
STYLES: Mapping[CellState, str] = {
    CellState.KILLED: "green",
    CellState.MISSED: "bold red",
    CellState.FALSE_ALARM: "bold red",
    CellState.UNDECIDED: "yellow",
    CellState.ALSO_OPENED: "cyan",
    CellState.NOT_ASKED: "dim",
    CellState.NOT_RUN: "yellow",
    CellState.QUIET: "dim",
}
LEGEND = (
    "open: broken by this mutant and found; MISSED: broken and not found; also: opened, not expected; "
    "FALSE: open on the healthy system; -: not asked by the profile; ?: not run; .: closed"
)


def matrix_json(matrix: KillMatrix) -> str:
    """The matrix with all its observations."""
    return json.dumps(matrix.as_dict(), indent=1, ensure_ascii=False, default=str) + "\n"


def matrix_table(matrix: KillMatrix) -> RenderableType:
    """One table per gap with a row per clause and a column per mutant, then the list of problems.

    Mutants of other gaps have no column; the clauses that they open are listed below.
    """
    tables = [_table(matrix, gap) for gap in _gaps(matrix)]
    rows = [Text(line) for line in attention(matrix)]
    return Group(*tables, Text(verdict_line(matrix), style="green" if matrix.proven else "bold red"), *rows)


def matrix_markdown(matrix: KillMatrix) -> str:
    """One table per gap with the texts of its mutants, then the list of problems."""
    return "\n".join(_markdown(matrix)).rstrip() + "\n"


def verdict_line(matrix: KillMatrix) -> str:
    """`32 of 32 mutants killed, no false alarm`."""
    judged = len(matrix.killed) + len(matrix.survivors)
    alarms = len(matrix.false_alarms)
    parts = [
        f"{len(matrix.killed)} of {judged} mutants killed",
        f"{alarms or 'no'} false {'alarm' if alarms <= 1 else 'alarms'}",
    ]
    if matrix.flaky:
        parts.append(f"{len(matrix.flaky)} flaky")
    if matrix.unproven:
        parts.append(f"{len(matrix.unproven)} break no clause that is asked")
    return ", ".join(parts)


def attention(matrix: KillMatrix) -> Iterator[str]:
    """One line per problem, and one per clause that a mutant opened in addition."""
    for each in matrix.missed:
        yield f"missed: {_name(each)} {_verdicts(each)}{_why(each)}"
    for each in matrix.false_alarms:
        yield f"false alarm: {each.clause} {_verdicts(each)} on the healthy system{_why(each)}"
    for each in matrix.undecided:
        yield f"undecided: {_name(each)} {_verdicts(each)}{_why(each)}"
    for each in matrix.flaky:
        if each.state not in (CellState.MISSED, CellState.FALSE_ALARM, CellState.UNDECIDED):
            yield f"flaky: {_name(each)} {_verdicts(each)}"
    for each in matrix.also_opened:
        why = f": {each.explained}" if each.explained else ", unexplained"
        yield f"also opened: {_name(each)} {_verdicts(each)}{why}"
    if matrix.not_run:
        yield f"not run: {', '.join(_name(each) for each in matrix.not_run)}"


def _gaps(matrix: KillMatrix) -> tuple[str, ...]:
    return tuple(dict.fromkeys(clause.rpartition(".")[0] for clause in matrix.clauses))


def _clauses(matrix: KillMatrix, gap: str) -> list[str]:
    return [clause for clause in matrix.clauses if clause.rpartition(".")[0] == gap]


def _columns(matrix: KillMatrix, gap: str) -> list[str | None]:
    """Healthy and the gap's own mutants."""
    return [m for m in matrix.mutants if m is None or m.rpartition(".")[0] == gap]


def _table(matrix: KillMatrix, gap: str) -> Table:
    columns = _columns(matrix, gap)
    grid = Table(title=gap, title_justify="left", title_style="bold", box=None, padding=(0, 2, 0, 0))
    grid.add_column("clause", no_wrap=True)
    for mutant in columns:
        grid.add_column(mutant or HEALTHY, no_wrap=True)
    for clause in _clauses(matrix, gap):
        cells = [matrix.cells[mutant, clause] for mutant in columns]
        grid.add_row(clause, *(Text(_sign(each), style=STYLES[each.state]) for each in cells))
    return grid


def _sign(each: Cell) -> str:
    sign = SIGNS[each.state]
    right = Verdict.OPEN if each.expected else Verdict.CLOSED
    if len(each.verdicts) < 2 or each.state is CellState.NOT_ASKED:
        return sign
    if each.state is CellState.ALSO_OPENED:
        right = Verdict.OPEN
    return f"{sign} {each.verdicts.count(right)}/{len(each.verdicts)}"


def _markdown(matrix: KillMatrix) -> Iterator[str]:
    yield "# Kill matrix"
    yield ""
    yield f"**{verdict_line(matrix)}.**"
    yield ""
    for name, value in matrix.about.items():
        yield f"- {name}: {cell(_said(value))}"
    yield ""
    yield f"{LEGEND}."
    yield ""
    for gap in _gaps(matrix):
        columns = _columns(matrix, gap)
        yield f"## {gap}"
        yield ""
        yield from table(
            ("clause", *(mutant or HEALTHY for mutant in columns)),
            (
                (clause, *(_sign(matrix.cells[mutant, clause]) for mutant in columns))
                for clause in _clauses(matrix, gap)
            ),
        )
        yield ""
        for mutant in columns:
            if mutant is not None:
                yield f"- {mutant}: {cell(matrix.texts.get(mutant, ''))}"
        yield ""
    lines = list(attention(matrix))
    if lines:
        yield "## Attention"
        yield ""
        yield from (f"- {cell(line)}" for line in lines)


def _said(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {each}" for name, each in value.items())
    return str(value)


def _name(each: Cell) -> str:
    return f"{each.mutant or HEALTHY} x {each.clause}"


def _verdicts(each: Cell) -> str:
    counted = {v: each.verdicts.count(v) for v in dict.fromkeys(each.verdicts)}
    return ", ".join(
        v.value if n == len(each.verdicts) == 1 else f"{n}x {v.value}" for v, n in counted.items()
    )


def _why(each: Cell) -> str:
    return f": {each.reasons[0].splitlines()[0]}" if each.reasons else ""
