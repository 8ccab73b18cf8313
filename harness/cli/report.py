"""`overbooked report`: render the reports of a run again."""

from __future__ import annotations

from pathlib import Path

import click

from harness.cli.display import stderr_console
from harness.cli.options import config_option, policy_of, settings_of
from harness.errors import UsageError
from harness.reporting.console import print_scorecard
from harness.reporting.folder import LATEST, RunFolder, find_scorecard, load_scorecard
from harness.reporting.picture import picture
from harness.reporting.reports import write_reports
from harness.verdicts.policy import decide


@click.command()
@click.argument("run", type=click.Path(path_type=Path), default=Path(LATEST))
@click.option(
    "--svg", type=click.Path(dir_okay=False, path_type=Path), help="Also draw it into this SVG file."
)
@config_option
def command(*, run: Path, svg: Path | None, config: Path | None) -> None:
    """Render the reports of a run again and show its scorecard.

    RUN is a run's id, its folder or its scorecard.json; without it, the latest complete run.

    \b
    overbooked report
    overbooked report 3f9c
    overbooked report --svg report.svg
    """
    settings = settings_of(config).settings
    path = find_scorecard(run, settings.reports).resolve()
    scorecard = load_scorecard(path)
    decision = decide(scorecard, policy_of(settings))
    write_reports(RunFolder(path.parent), scorecard, decision, assets=settings.root / "reports", latest=False)
    print_scorecard(stderr_console(), scorecard, decision, path.parent)
    if svg is not None:
        try:
            svg.write_text(picture(scorecard, decision), encoding="utf-8")
        except OSError as error:
            raise UsageError(f"{svg} cannot be written: {error.strerror or error}") from error
