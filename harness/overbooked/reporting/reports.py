"""Reports of a run: listeners of equal rank on one stream of events.

A report that fails does not affect other reports, the verdict or the exit code: its failure is reported in
one line.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from overbooked.plain_text import bounded, clean
from overbooked.reporting.allure import write_allure
from overbooked.reporting.junit import junit_xml
from overbooked.reporting.markdown import scorecard_markdown
from overbooked.reporting.run_folder import RunFolder
from overbooked.verdicts.policy import Decision
from overbooked.verdicts.scorecard import GapScore, Scorecard

CATEGORIES = Path("allure/categories.json")
# Limit of the reason why a report failed, in characters.
REASON = 300


@dataclass(frozen=True, slots=True)
class RunStarted:
    """The stack runs: its versions are in the scorecard."""

    scorecard: Scorecard


@dataclass(frozen=True, slots=True)
class CanaryJudged:
    """The canary has a verdict."""

    scorecard: Scorecard


@dataclass(frozen=True, slots=True)
class GapJudged:
    """Every trial of a gap has ended."""

    gap: GapScore
    scorecard: Scorecard


@dataclass(frozen=True, slots=True)
class ErrorReported:
    """Something failed outside any trial."""

    message: str


@dataclass(frozen=True, slots=True)
class RunEnded:
    """The last event, also of an interrupted run: the scorecard has what was judged until then.

    Args:
        decision: the decision of the gate policy; None if no policy applies.
    """

    scorecard: Scorecard
    decision: Decision | None = None


Event = RunStarted | CanaryJudged | GapJudged | ErrorReported | RunEnded


class Report(Protocol):
    """A listener that makes one kind of report."""

    @property
    def name(self) -> str:
        """Its name in a message about its failure."""

    def on_event(self, event: Event) -> None:
        """Handle an event; a report ignores those that it does not need."""


class Reports:
    """Passes each event to every report.

    Args:
        reports: in the order in which they get an event.
        failed: gets one line for each report that failed, at its first failure.
    """

    def __init__(self, reports: Sequence[Report], failed: Callable[[str], None]) -> None:
        self._reports = tuple(reports)
        self._failed = failed
        self._broken: set[str] = set()

    def publish(self, event: Event) -> None:
        """Pass on an event. An exception of a report is reported in one line and not raised."""
        for report in self._reports:
            try:
                report.on_event(event)
            except Exception as error:
                if report.name not in self._broken:
                    self._broken.add(report.name)
                    reason = next(iter(str(error).splitlines()), "") or type(error).__name__
                    self._failed(f"the {report.name} report failed: {bounded(clean(reason), REASON)}")


@dataclass(frozen=True, slots=True)
class JUnitReport:
    """Writes junit.xml."""

    folder: RunFolder
    name: str = "JUnit"

    def on_event(self, event: Event) -> None:
        """Write it at the end of the run."""
        if isinstance(event, RunEnded):
            self.folder.write_text("junit.xml", junit_xml(event.scorecard))


@dataclass(frozen=True, slots=True)
class MarkdownReport:
    """Writes summary.md."""

    folder: RunFolder
    name: str = "Markdown"

    def on_event(self, event: Event) -> None:
        """Write it at the end of the run."""
        if isinstance(event, RunEnded):
            self.folder.write_text("summary.md", scorecard_markdown(event.scorecard, event.decision))


@dataclass(frozen=True, slots=True)
class AllureReport:
    """Writes allure-results/.

    Args:
        assets: the project's `reports` folder, which may contain Allure's categories.
    """

    folder: RunFolder
    assets: Path | None = None
    name: str = "Allure"

    def on_event(self, event: Event) -> None:
        """Write it at the end of the run."""
        if isinstance(event, RunEnded):
            categories = self.assets / CATEGORIES if self.assets else None
            write_allure(
                event.scorecard,
                self.folder.path / "allure-results",
                categories=categories if categories and categories.is_file() else None,
            )


def file_reports(folder: RunFolder, assets: Path | None = None) -> list[Report]:
    """Return every report that is a file of the run's folder.

    Args:
        assets: the project's `reports` folder.
    """
    return [JUnitReport(folder), MarkdownReport(folder), AllureReport(folder, assets)]
