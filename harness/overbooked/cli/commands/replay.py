"""`overbooked replay`: run exactly the schedule or the fault plan of a bundle again."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click
from rich.text import Text

from overbooked.bundles.fingerprints import NoLongerFits, fits_of, misfits
from overbooked.bundles.reader import read_bundle
from overbooked.bundles.schema import Bundle
from overbooked.cli.display import displayed
from overbooked.cli.options import Said, config_option, kind_option, settings_of
from overbooked.cli.replay_outcome import concluded
from overbooked.cli.replay_schedule import replayed_schedule
from overbooked.errors import UnknownGap
from overbooked.profiles import BUNDLED
from overbooked.runs.stack_factory import descriptor_of


@click.command(
    epilog="Exit codes: 0 what was found is not found any more, 1 it is, 2 the bundle cannot be read, "
    "3 inconclusive: the bundle no longer fits or its schedule cannot be followed, 130 interrupted."
)
@click.argument("file", metavar="BUNDLE", type=click.Path(path_type=Path))
@click.option("--times", type=click.IntRange(1, 1000), default=1, help="How often, on one stack.")
@click.option("--anyway", is_flag=True, help="Also when the scenario, the catalog or migrations changed.")
@click.option("--healthy", is_flag=True, help="Without the mutant that the bundle names.")
@kind_option
@config_option
@click.option("--json", "as_json", is_flag=True, help="Print what came of it as JSON on stdout.")
def command(
    *,
    file: Path,
    times: int,
    anyway: bool,
    healthy: bool,
    kind: str | None,
    config: Path | None,
    as_json: bool,
) -> int:
    """Run exactly the schedule or the fault plan of a bundle again, and say whether it ends as it did.

    The same scenario meets the same system: its mutant, its seed, as many replicas. The messages that
    cross the wire are compared with those recorded, one by one.

    \b
    overbooked replay reports/out/latest/SYS-03.a.json
    overbooked replay SYS-03.a.json --times 20
    overbooked replay SYS-03.a.json --healthy     # is it mended without the defect?
    """
    bundle = read_bundle(file)
    made = bundle.made
    known = (*BUNDLED, *settings_of(config).settings.profiles)
    said = settings_of(
        config,
        profile=made.profile if made.profile in known else None,
        seed=made.seed,
        stack={"kind": kind, "replicas": made.replicas or None},
    )
    changed = changes(bundle, said)
    if changed and not anyway:
        raise NoLongerFits(
            f"{file} no longer fits: {'; '.join(changed)}; --anyway runs it nevertheless, "
            f"`{bundle.search}` looks at what is there now"
        )
    with displayed() as display:
        for change in changed:
            display.line(Text(f"no longer fits: {change}", style="yellow"))
        if bundle.recording.kind == "fault plan":
            from overbooked.cli.replay_fault_plan import replayed_faults  # noqa: PLC0415 - needs journeys

            replays = replayed_faults(bundle, said, display, times=times, healthy=healthy)
        else:
            replays = replayed_schedule(bundle, said, display, times=times, healthy=healthy)
        outcome = concluded(bundle, replays)
        for line in outcome.lines:
            display.line(Text(line, style="bold" if line is outcome.lines[-1] else ""))
    if as_json:
        json.dump(outcome.as_dict(file, changed), sys.stdout, indent=1, ensure_ascii=False)
        sys.stdout.write("\n")
    return outcome.code


def changes(bundle: Bundle, said: Said) -> list[str]:
    """What no longer fits, one sentence each.

    Raises:
        NoLongerFits: so much that nothing is left that could be run.
    """
    settings = said.settings
    catalog = settings.catalog()
    try:
        if bundle.clause:
            catalog.clauses_of([bundle.clause])
        if bundle.made.mutant is not None:
            catalog.mutant(bundle.made.mutant)
    except UnknownGap as error:
        raise NoLongerFits(f"the bundle no longer fits: {error}") from error
    now = fits_of(
        bundle.scenario,
        bundle.clause,
        bundle.made.mutant,
        root=settings.root,
        catalog=catalog,
        descriptor=descriptor_of(settings),
    )
    if bundle.fits.target != now.target or (bundle.scenario and not now.scenario):
        raise NoLongerFits(f"the bundle no longer fits: {'; '.join(misfits(bundle, now))}")
    profile = bundle.made.profile
    gone = [] if settings.profile == profile else [f"there is no profile {profile!r} any more"]
    return [*gone, *misfits(bundle, now)]
