"""The scorecard on a terminal: one line a gap, evidence only where it is wanted."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from harness.reporting.wording import brief, canary_line, clause_reason, heading, seconds, share, shout, tally
from harness.verdicts.policy import Decision
from harness.verdicts.scorecard import ClauseScore, GapScore, Scorecard
from harness.verdicts.verdict import Verdict

STYLES = {
    Verdict.CLOSED: "green",
    Verdict.OPEN: "bold red",
    Verdict.INCONCLUSIVE: "yellow",
    Verdict.NOT_COVERED: "dim",
}
OPERATIONS_SHOWN = 12


def heading_line(scorecard: Scorecard) -> Text:
    """The stack with its versions, profile, seed and run."""
    return Text(heading(scorecard))


def canary_text(scorecard: Scorecard) -> RenderableType:
    """What became of the canary, and how long that took."""
    canary = scorecard.canary
    sings = canary is not None and canary.sings
    line = Text(canary_line(scorecard), style="" if sings else "bold red")
    return _line([line], seconds(canary.duration_s) if canary else "")


def gap_line(gap: GapScore, *, title_width: int = 44) -> RenderableType:
    """One line: verdict, id, title, clauses asked, what was exercised or which clauses are guilty."""
    return _gap_rows([gap], title_width)


def gap_evidence(gap: GapScore) -> RenderableType | None:
    """What was expected and observed in the clauses that are not closed; None when all are."""
    shown = [
        _clause(clause)
        for verdict in (Verdict.OPEN, Verdict.INCONCLUSIVE)
        for clause in gap.with_verdict(verdict)
    ]
    return Padding(Group(*shown), (0, 0, 0, 6)) if shown else None


def closing(scorecard: Scorecard, decision: Decision | None = None, folder: Path | None = None) -> Text:
    """The final line: how many gaps of each verdict, what the gate says, where the reports are."""
    line = Text(f"{tally(scorecard)}.")
    if decision is not None:
        line.append("  Gate: ")
        line.append(decision.sentence, style="green" if decision.satisfied else "bold red")
        line.append(".")
    if folder is not None:
        line.append(f"   {folder}/")
    return line


def print_scorecard(
    console: Console, scorecard: Scorecard, decision: Decision | None = None, folder: Path | None = None
) -> None:
    """The whole scorecard. Gaps that no scenario judges are counted, not listed, in a whole run.

    Args:
        console: colours are used when it writes to a terminal.
        scorecard: of the run.
        decision: of the gate policy.
        folder: where the reports are.
    """
    _print(console, heading_line(scorecard))
    _print(console, canary_text(scorecard))
    themes = dict.fromkeys(gap.theme for gap in scorecard.gaps)
    for theme in themes:
        gaps = [gap for gap in scorecard.gaps if gap.theme == theme and _worth_a_line(gap, scorecard)]
        if not gaps:
            continue
        _print(console, Text(theme, style="bold"))
        for gap in gaps:
            _print(console, gap_line(gap))
            if evidence := gap_evidence(gap):
                _print(console, evidence)
    for error in scorecard.errors:
        _print(console, Text(f"error  {error}", style="yellow"))
    silent = [gap for gap in scorecard.gaps if not _worth_a_line(gap, scorecard)]
    if silent:
        _print(console, Text(f"{len(silent)} gaps have no scenario yet: overbooked list", style="dim"))
    _print(console, closing(scorecard, decision, folder))


def _worth_a_line(gap: GapScore, scorecard: Scorecard) -> bool:
    return (
        scorecard.narrowed
        or any(clause.evidence for clause in gap.clauses)
        or gap.judged
        or (gap.verdict is Verdict.INCONCLUSIVE)
    )


def _gap_rows(gaps: list[GapScore], title_width: int) -> Table:
    table = _grid()
    for gap in gaps:
        table.add_row(
            Text(shout(gap.verdict), style=STYLES[gap.verdict]),
            gap.id,
            Text(gap.title),
            share(gap),
            Text(brief(gap)),
            seconds(gap.duration_s),
        )
    return table


def _grid() -> Table:
    table = Table.grid(padding=(0, 2), expand=True)
    table.add_column(width=14, no_wrap=True)
    table.add_column(width=8, no_wrap=True)
    table.add_column(ratio=4, no_wrap=True, overflow="ellipsis")
    table.add_column(width=15, no_wrap=True)
    table.add_column(ratio=3, overflow="fold")
    table.add_column(width=11, justify="right", no_wrap=True)
    return table


def _clause(clause: ClauseScore) -> RenderableType:
    finding = clause.finding
    table = Table.grid(padding=(0, 2))
    table.add_column(width=2, no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    style = STYLES[clause.verdict or Verdict.NOT_COVERED]
    letter = Text(clause.letter, style=style)
    if finding is None:
        table.add_row(letter, str(clause.verdict), Text(clause_reason(clause)))
        return table
    table.add_row(letter, "broken", Text(finding.what))
    for word, said in (("expected", finding.expected), ("observed", finding.observed)):
        if said:
            table.add_row("", word, Text(said))
    operations = finding.operations
    if not operations:
        return table
    shown = [Text(line, no_wrap=True, overflow="ellipsis") for line in operations[:OPERATIONS_SHOWN]]
    if len(operations) > OPERATIONS_SHOWN:
        shown.append(Text(f"... {len(operations) - OPERATIONS_SHOWN} more in the scorecard", style="dim"))
    return Group(table, Padding(Group(*shown), (0, 0, 0, 4)))


def _line(left: list[Text], right: str) -> Table:
    table = Table.grid(expand=True)
    table.add_column(ratio=1)
    table.add_column(justify="right", no_wrap=True)
    table.add_row(Text(" ").join(left), right)
    return table


def _print(console: Console, what: RenderableType) -> None:
    console.print(what, highlight=False, markup=False, soft_wrap=False)
