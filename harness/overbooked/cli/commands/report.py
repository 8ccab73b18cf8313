"""`overbooked report`: render the reports of runs and proofs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from overbooked.cli.display import plain_display
from overbooked.cli.options import config_option, policy_of, resolve_settings
from overbooked.cli.proof_reports import find_matrix, report_proofs
from overbooked.cli.report_listeners import make_reports
from overbooked.errors import UsageError
from overbooked.reporting.reports import RunEnded
from overbooked.reporting.run_folder import LATEST, RunFolder, find_scorecard, load_scorecard
from overbooked.reporting.svg import picture
from overbooked.verdicts.merge_shards import merge
from overbooked.verdicts.policy import decide


@click.command()
@click.argument("runs", type=click.Path(path_type=Path), nargs=-1, metavar="[RUN]...")
@click.option(
    "--svg",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Also write the scorecard as an image to this SVG file.",
)
@click.option(
    "--into",
    type=click.Path(file_okay=False, path_type=Path),
    help="For proofs: the folder for matrix.json and matrix.md, e.g. docs/proof.",
)
@config_option
def command(*, runs: Sequence[Path], svg: Path | None, into: Path | None, config: Path | None) -> None:
    """Render the reports of a run again and show its scorecard.

    RUN is a run's id, its folder or its scorecard.json; default: the latest complete run. Several RUNs are
    shards of one suite: they are merged into a new run, which `overbooked gate` can judge.

    A RUN may also be a proof (its id, its folder or its matrix.json): its kill matrix is shown and written as
    Markdown. Several proofs, shards or repetitions, are merged; each cell counts their verdicts.

    \b
    overbooked report
    overbooked report 3f9c
    overbooked report --svg report.svg
    overbooked report shard-1/scorecard.json shard-2/scorecard.json
    overbooked report 7f3b 2554 --into docs/proof     # two proofs
    """
    settings = resolve_settings(config).settings
    matrices = [find_matrix(run, settings.reports) for run in runs]
    if proofs := [file for file in matrices if file is not None]:
        if len(proofs) < len(matrices) or svg is not None:
            raise UsageError("a proof cannot be reported together with scorecards or with --svg")
        report_proofs(proofs, settings.reports, into)
        return
    if into is not None:
        raise UsageError("--into needs one or more proofs as RUN")
    paths = [find_scorecard(run, settings.reports).resolve() for run in runs or (Path(LATEST),)]
    scorecards = [load_scorecard(path) for path in paths]
    if len(scorecards) > 1:
        scorecard = merge(scorecards)
        folder = RunFolder.create(settings.reports)
        folder.publish(scorecard)
    else:
        (scorecard,), folder = scorecards, RunFolder(paths[0].parent)
    decision = decide(scorecard, policy_of(settings), catalog=settings.catalog())
    folder.write(scorecard)
    with plain_display() as display:
        make_reports(settings, folder, display).publish(RunEnded(scorecard, decision))
    if svg is not None:
        try:
            svg.write_text(picture(scorecard, decision), encoding="utf-8")
        except OSError as error:
            raise UsageError(f"{svg} cannot be written: {error.strerror or error}") from error
