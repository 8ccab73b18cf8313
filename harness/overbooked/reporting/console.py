"""The scorecard on a terminal: one line per gap, with evidence for judged gaps."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from overbooked.reporting.commands import Command
from overbooked.reporting.text import (
    again,
    canary_line,
    clause_reason,
    clause_tail,
    clause_verdict,
    counts,
    heading,
    lanes,
    load_line,
    replay,
    seconds,
    share,
    short,
    upper_verdict,
)
from overbooked.verdicts.evidence import Finding
from overbooked.verdicts.policy import Decision
from overbooked.verdicts.scorecard import ClauseScore, GapScore, LoadScore, Scorecard
from overbooked.verdicts.verdict import Verdict

STYLES = {
    Verdict.CLOSED: "green",
    Verdict.OPEN: "bold red",
    Verdict.INCONCLUSIVE: "yellow",
    Verdict.NOT_COVERED: "dim",
}
OPERATIONS_SHOWN = 12


def heading_line(scorecard: Scorecard) -> Text:
    """The stack with its versions, profile, seed and run."""
    return Text("   ".join(heading(scorecard)))


def canary_text(scorecard: Scorecard) -> RenderableType:
    """The result of the canary and its duration."""
    canary = scorecard.canary
    sings = canary is not None and canary.is_open
    line = Text(canary_line(scorecard), style="" if sings else "bold red")
    return _line([line], seconds(canary.duration_s) if canary else "")


def gap_line(gap: GapScore) -> RenderableType:
    """One line: verdict, id, title, clauses asked, what was exercised or which clauses failed."""
    table = _grid()
    table.add_row(
        Text(f"  {upper_verdict(gap.verdict)}", style=STYLES[gap.verdict]),
        gap.id,
        Text(gap.title),
        share(gap),
        # The list may be long: one line here, all of it in the reports.
        _cut(short(gap)) if gap.verdict is Verdict.CLOSED else Text(short(gap)),
        seconds(gap.duration_s),
    )
    return table


def gap_evidence(gap: GapScore, scorecard: Scorecard | None = None) -> RenderableType | None:
    """The clauses, worst first: the finding, the reason for inconclusive or not covered, and the evidence of
    closed ones. None for a gap without a judged clause.

    With the scorecard, each open or inconclusive clause also has the command that judges it again.
    """
    if not gap.begun:
        return None
    shown: list[RenderableType] = []
    quoted: set[tuple[str, ...]] = set()
    for verdict in (Verdict.OPEN, Verdict.INCONCLUSIVE, Verdict.NOT_COVERED, Verdict.CLOSED):
        for clause in gap.with_verdict(verdict):
            shown.append(_clause(clause, scorecard))
            # The log of a failed part may explain several clauses; show it below the first one only.
            tail = clause_tail(clause)
            if tail and tail not in quoted:
                quoted.add(tail)
                lines = [Text(line, style="dim", no_wrap=True, overflow="ellipsis") for line in tail]
                shown += _indented(lines)
    return Padding(Group(*shown), (0, 0, 0, 6), expand=False) if shown else None


def load_text(score: LoadScore) -> RenderableType:
    """One line for a load profile."""
    line = Text(f"  {upper_verdict(score.verdict):<14}", style=STYLES[score.verdict])
    line.append(f"  load {score.profile}   {load_line(score)}", style="")
    return _line([line], seconds(score.duration_s))


def closing(scorecard: Scorecard, decision: Decision | None = None, folder: Path | None = None) -> Text:
    """The final line: the number of gaps per verdict, the gate's decision, the folder of the reports."""
    line = Text(f"{counts(scorecard)}.")
    if decision is not None:
        line.append("  Gate: ")
        line.append(decision.sentence, style="green" if decision.satisfied else "bold red")
        line.append(".")
    if folder is not None:
        line.append(f"   {folder}/")
    return line


def _grid() -> Table:
    table = Table.grid(padding=(0, 2), expand=True)
    table.add_column(width=14, no_wrap=True)
    table.add_column(width=9, no_wrap=True)
    table.add_column(ratio=4, no_wrap=True, overflow="ellipsis")
    table.add_column(width=15, no_wrap=True)
    table.add_column(ratio=3, overflow="fold")
    table.add_column(width=11, justify="right", no_wrap=True)
    return table


def _clause(clause: ClauseScore, scorecard: Scorecard | None) -> RenderableType:
    style = STYLES[clause.verdict or Verdict.NOT_COVERED]
    doubted = clause.verdict in (Verdict.OPEN, Verdict.INCONCLUSIVE)
    command = again(clause.id, scorecard) if scorecard and doubted else ""
    if clause.finding is not None:
        return finding_text(clause.letter, clause.finding, command, style=style)
    if clause.verdict is Verdict.CLOSED:
        table = _columns(1)
        table.add_row(Text(clause.letter, style=style), Text(clause_verdict(clause), overflow="fold"))
    else:
        table = _columns()
        table.add_row(Text(clause.letter, style=style), str(clause.verdict), Text(clause_reason(clause)))
    return Group(table, *_indented([Command(command)] if command else []))


def finding_text(letter: str, finding: Finding, command: str, *, style: str = "bold red") -> RenderableType:
    """The invariant, what was expected and observed, the operations, and the command to repeat it."""
    table = _columns()
    table.add_row(Text(letter, style=style), "broken", Text(finding.what))
    for word, said in (("expected", finding.expected), ("observed", finding.observed)):
        if said:
            table.add_row("", word, Text(said))
    drawn = lanes(finding)
    shown = drawn or finding.operations[:OPERATIONS_SHOWN]
    lines: list[RenderableType] = [Text(line, no_wrap=True, overflow="ellipsis") for line in shown]
    if not drawn and (more := len(finding.operations) - len(shown)):
        lines.append(Text(f"... {more} more in the scorecard", style="dim"))
    if again := replay(finding):
        lines.append(Command(again) if again.startswith("overbooked ") else Text(again, style="dim"))
    elif command:
        lines.append(Command(command))
    return Group(table, *_indented(lines))


def _cut(text: str) -> Text:
    return Text(text, no_wrap=True, overflow="ellipsis")


def _columns(wide: int = 2) -> Table:
    """A column for the letter and `wide` more columns, the last one folded."""
    table = Table.grid(padding=(0, 2))
    table.add_column(width=2, no_wrap=True)
    for _ in range(wide - 1):
        table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    return table


def _indented(lines: Sequence[RenderableType]) -> list[RenderableType]:
    return [Padding(Group(*lines), (0, 0, 0, 4), expand=False)] if lines else []


def _line(left: list[Text], right: str) -> Table:
    table = Table.grid(expand=True)
    table.add_column(ratio=1)
    table.add_column(justify="right", no_wrap=True)
    table.add_row(Text(" ").join(left), right)
    return table
