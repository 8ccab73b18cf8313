"""`overbooked replay`: run the schedule or fault plan of a bundle again."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click
from rich.text import Text

from overbooked.bundles.fingerprints import BundleOutdated, fingerprints_of, mismatches
from overbooked.bundles.reader import read_bundle
from overbooked.bundles.schema import Bundle
from overbooked.cli.display import open_display
from overbooked.cli.options import ResolvedSettings, config_option, kind_option, resolve_settings
from overbooked.cli.replay_outcome import summarise
from overbooked.cli.replay_session import replay
from overbooked.errors import UnknownGap
from overbooked.profiles import BUNDLED
from overbooked.runs.stack_factory import load_descriptor


@click.command(
    epilog="Exit codes: 0 the finding no longer occurs, 1 it occurs, 2 the bundle cannot be read, "
    "3 inconclusive: the bundle no longer fits or its schedule cannot be followed, 130 interrupted."
)
@click.argument("file", metavar="BUNDLE", type=click.Path(path_type=Path))
@click.option("--times", type=click.IntRange(1, 1000), default=1, help="How often to replay, on one stack.")
@click.option(
    "--anyway", is_flag=True, help="Replay although the scenario, the catalog or migrations changed."
)
@click.option("--healthy", is_flag=True, help="Without the mutant that the bundle names.")
@kind_option
@config_option
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON on stdout.")
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
    """Run the schedule or the fault plan of a bundle again, and compare the result.

    The same scenario runs on the same system: mutant, seed and number of replicas. Each message on the
    wire is compared with the recorded one.

    \b
    overbooked replay reports/out/latest/SYS-03.a.json
    overbooked replay SYS-03.a.json --times 20
    overbooked replay SYS-03.a.json --healthy     # does it still occur without the mutant?
    """
    bundle = read_bundle(file)
    made = bundle.made
    known = (*BUNDLED, *resolve_settings(config).settings.profiles)
    resolved = resolve_settings(
        config,
        profile=made.profile if made.profile in known else None,
        seed=made.seed,
        stack={"kind": kind, "replicas": made.replicas or None},
    )
    changed = changes(bundle, resolved)
    if changed and not anyway:
        raise BundleOutdated(
            f"{file} no longer fits: {'; '.join(changed)}; --anyway runs it all the same, "
            f"`{bundle.search}` searches the present system"
        )
    with open_display() as display:
        for change in changed:
            display.line(Text(f"no longer fits: {change}", style="yellow"))
        replays = replay(bundle, resolved, display, times=times, healthy=healthy)
        outcome = summarise(bundle, replays)
        for line in outcome.lines:
            display.line(Text(line, style="bold" if line is outcome.lines[-1] else ""))
    if as_json:
        json.dump(outcome.as_dict(file, changed), sys.stdout, indent=1, ensure_ascii=False)
        sys.stdout.write("\n")
    return outcome.code


def changes(bundle: Bundle, resolved: ResolvedSettings) -> list[str]:
    """Return what has changed since the bundle was made, one sentence each.

    Raises:
        BundleOutdated: the bundle cannot be run any more.
    """
    settings = resolved.settings
    catalog = settings.catalog()
    try:
        if bundle.clause:
            catalog.clauses_of([bundle.clause])
        if bundle.made.mutant is not None:
            catalog.mutant(bundle.made.mutant)
    except UnknownGap as error:
        raise BundleOutdated(f"the bundle no longer fits: {error}") from error
    now = fingerprints_of(
        bundle.scenario,
        bundle.clause,
        bundle.made.mutant,
        root=settings.root,
        catalog=catalog,
        descriptor=load_descriptor(settings),
    )
    if bundle.fits.target != now.target or (bundle.scenario and not now.scenario):
        raise BundleOutdated(f"the bundle no longer fits: {'; '.join(mismatches(bundle, now))}")
    profile = bundle.made.profile
    gone = [] if settings.profile == profile else [f"the profile {profile!r} no longer exists"]
    return [*gone, *mismatches(bundle, now)]
