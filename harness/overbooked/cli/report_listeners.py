"""The reports that a command makes: the files of the run's folder, and the console."""

from __future__ import annotations

from rich.text import Text

from overbooked.cli.display import Display
from overbooked.config import Settings
from overbooked.reporting.console_report import ConsoleReport
from overbooked.reporting.reports import Reports, file_reports
from overbooked.reporting.run_folder import RunFolder


def make_reports(settings: Settings, folder: RunFolder, display: Display, *, closes: bool = True) -> Reports:
    """Return every report of a run. If a report fails, the display shows a line about it.

    Args:
        closes: whether the console ends with the counts and the gate's decision.
    """
    console = ConsoleReport(display.line, folder.path, closes)
    reports = [*file_reports(folder, settings.root / "reports"), console]
    return Reports(reports, lambda line: display.line(Text(line, style="yellow")))
