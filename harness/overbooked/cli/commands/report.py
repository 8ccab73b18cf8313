"""`overbooked report`: render the reports of a run again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from overbooked.cli.display import stderr_console
from overbooked.cli.options import config_option, policy_of, settings_of
from overbooked.errors import UsageError
from overbooked.reporting.console import print_scorecard
from overbooked.reporting.reports import write_reports
from overbooked.reporting.run_folder import LATEST, RunFolder, find_scorecard, load_scorecard
from overbooked.reporting.svg import picture
from overbooked.verdicts.merge_shards import merge
from overbooked.verdicts.policy import decide


@click.command()
@click.argument("runs", type=click.Path(path_type=Path), nargs=-1, metavar="[RUN]...")
@click.option(
    "--svg", type=click.Path(dir_okay=False, path_type=Path), help="Also draw it into this SVG file."
)
@config_option
def command(*, runs: Sequence[Path], svg: Path | None, config: Path | None) -> None:
    """Render the reports of a run again and show its scorecard.

    RUN is a run's id, its folder or its scorecard.json; without it, the latest complete run. Several are
    shards of one suite: their union becomes a run of its own, which `overbooked gate` can judge.

    \b
    overbooked report
    overbooked report 3f9c
    overbooked report --svg report.svg
    overbooked report shard-1/scorecard.json shard-2/scorecard.json
    """
    settings = settings_of(config).settings
    paths = [find_scorecard(run, settings.reports).resolve() for run in runs or (Path(LATEST),)]
    scorecards = [load_scorecard(path) for path in paths]
    if len(scorecards) > 1:
        scorecard = merge(scorecards)
        folder = RunFolder.create(settings.reports)
        folder.publish(scorecard)
    else:
        (scorecard,), folder = scorecards, RunFolder(paths[0].parent)
    decision = decide(scorecard, policy_of(settings), catalog=settings.catalog())
    write_reports(folder, scorecard, decision, assets=settings.root / "reports", latest=False)
    print_scorecard(stderr_console(), scorecard, decision, folder.path)
    if svg is not None:
        try:
            svg.write_text(picture(scorecard, decision), encoding="utf-8")
        except OSError as error:
            raise UsageError(f"{svg} cannot be written: {error.strerror or error}") from error
