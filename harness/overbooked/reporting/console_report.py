"""The report on the console: a line for each gap as soon as it is judged, the rest at the end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.text import Text

from overbooked.plain_text import clean
from overbooked.reporting.console import (
    canary_text,
    closing,
    finding_text,
    gap_evidence,
    gap_line,
    heading_line,
    load_text,
)
from overbooked.reporting.reports import CanaryJudged, ErrorReported, Event, GapJudged, RunEnded, RunStarted
from overbooked.reporting.terminal import show
from overbooked.verdicts.policy import Decision
from overbooked.verdicts.scorecard import GapScore, Scorecard
from overbooked.verdicts.verdict import Verdict


@dataclass(slots=True)
class ConsoleReport:
    """Shows a run in progress, or a finished one.

    Args:
        show: prints a line.
        folder: the folder of the other reports, for the last line.
        closes: whether to print the last line, with the counts and the gate's decision.
    """

    show: Callable[[RenderableType], None]
    folder: Path | None = None
    closes: bool = True
    name: str = "console"
    _headed: bool = False
    _canary_shown: bool = False
    _shown: set[str] = field(default_factory=set)
    _errors: set[str] = field(default_factory=set)
    _theme: str = ""

    def on_event(self, event: Event) -> None:
        """Print an event."""
        match event:
            case RunStarted(scorecard):
                self._head(scorecard)
            case CanaryJudged(scorecard):
                # A canary that is not open is shown at the end; the cause may be the stack.
                if scorecard.canary is not None and scorecard.canary.is_open:
                    self._canary(scorecard)
            case GapJudged(gap, scorecard):
                self._gap(gap, scorecard)
            case ErrorReported(message):
                self._error(message)
            case RunEnded(scorecard, decision) if not (self._headed and scorecard.aborted):
                # If a run is interrupted while it is shown, the command prints how it ended.
                self._rest(scorecard)
                if self.closes:
                    self.show(closing(scorecard, decision, self.folder))
            case RunEnded():
                pass

    def _rest(self, scorecard: Scorecard) -> None:
        """Print the remaining gaps; in a run of all gaps, those without a scenario are only counted."""
        finished_before = not self._headed
        if finished_before:
            self._head(scorecard)
        if not self._canary_shown and (scorecard.canary is not None or (finished_before and self.closes)):
            self._canary(scorecard)
        for theme in dict.fromkeys(gap.theme for gap in scorecard.gaps):
            for gap in scorecard.gaps:
                begun = gap.begun or gap.verdict is Verdict.INCONCLUSIVE
                if gap.theme == theme and (begun or scorecard.narrowed):
                    self._gap(gap, scorecard)
        for score in scorecard.load:
            self.show(load_text(score))
            if score.finding is not None:
                self.show(Padding(finding_text("", score.finding, ""), (0, 0, 0, 6), expand=False))
        for error in scorecard.errors:
            self._error(error)
        if silent := len(scorecard.gaps) - len(self._shown):
            noun = "gap is" if silent == 1 else "gaps are"
            self.show(Text(f"{silent} {noun} not covered: overbooked list says why", style="dim"))

    def _head(self, scorecard: Scorecard) -> None:
        self._headed = True
        self.show(heading_line(scorecard))

    def _canary(self, scorecard: Scorecard) -> None:
        self._canary_shown = True
        self.show(canary_text(scorecard))

    def _error(self, message: str) -> None:
        if message not in self._errors:
            self._errors.add(message)
            self.show(Text(f"error  {clean(message)}", style="yellow"))

    def _gap(self, gap: GapScore, scorecard: Scorecard) -> None:
        if gap.id in self._shown:
            return
        self._shown.add(gap.id)
        if gap.theme != self._theme:
            self._theme = gap.theme
            self.show(Text(gap.theme, style="bold"))
        self.show(gap_line(gap))
        if evidence := gap_evidence(gap, scorecard):
            self.show(evidence)


def print_scorecard(
    console: Console, scorecard: Scorecard, decision: Decision | None = None, folder: Path | None = None
) -> None:
    """Print the report of a finished run.

    Args:
        console: colours are used if it writes to a terminal.
        scorecard: the scorecard of the run.
        decision: the decision of the gate policy.
        folder: the folder of the other reports.
    """
    report = ConsoleReport(lambda what: show(console, what), folder)
    report.on_event(RunEnded(scorecard, decision))
