"""`overbooked load`: put the system under load and judge it."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from rich.text import Text

from overbooked.catalog.selection import Selection
from overbooked.cli.context import command_context
from overbooked.cli.display import open_display
from overbooked.cli.options import (
    ResolvedSettings,
    config_option,
    kind_option,
    mutant_option,
    policy_of,
    resolve_settings,
    seed_option,
)
from overbooked.cli.report_listeners import make_reports
from overbooked.cli.terminal import run_async
from overbooked.descriptor import Descriptor
from overbooked.journeys.identities import People
from overbooked.load.drive import drive
from overbooked.load.profile import LoadProfile, load_profile
from overbooked.reporting.reports import RunEnded
from overbooked.reporting.run_folder import RunFolder
from overbooked.stacks.base.protocol import Stack
from overbooked.system.loading import bind
from overbooked.verdicts.assembly import assemble
from overbooked.verdicts.policy import decide
from overbooked.verdicts.scorecard import LoadScore, Run


@click.command(
    epilog="Exit codes: 0 objectives and invariants held, 1 one did not, 2 bad usage, 3 the load itself "
    "was invalid, 130 interrupted. `latest` is not changed: it points at runs that judge gaps."
)
@click.argument("profile", metavar="[PROFILE]", default="smoke")
@click.option("--rate", type=click.FloatRange(min=0, min_open=True), help="Arrivals per second.")
@click.option("--seconds", type=click.FloatRange(min=0, min_open=True), help="Duration in seconds.")
@click.option(
    "--processes", type=click.IntRange(1, 64), default=1, help="Generator processes that share the arrivals."
)
@seed_option
@kind_option
@click.option("--replicas", type=click.IntRange(1, 8), help="Processes of the service.")
@mutant_option
@config_option
@click.option("--json", "as_json", is_flag=True, help="Print the scorecard as JSON on stdout.")
def command(
    *,
    profile: str,
    rate: float | None,
    seconds: float | None,
    processes: int,
    seed: int | None,
    mutant: str | None,
    config: Path | None,
    as_json: bool,
    **options: Any,
) -> int:
    """Put the system under load and judge it.

    Arrivals are scheduled ahead, and latency counts from the intended start of each, so the delay of a
    stalled system is measured. Afterwards the durable state is checked for oversold slots and lost or
    repeated bookings.

    PROFILE is a bundled load profile (smoke) or a TOML file of your own.

    \b
    overbooked load smoke
    overbooked load smoke --rate 40 --seconds 60
    overbooked load ./black-friday.toml --json
    """
    said = resolve_settings(
        config, seed=seed, stack={"kind": options["kind"], "replicas": options["replicas"]}
    )
    wanted = load_profile(profile).at(rate=rate, seconds=seconds)
    return _load(said, wanted, mutant=mutant, processes=processes, as_json=as_json)


def _load(
    said: ResolvedSettings, profile: LoadProfile, *, mutant: str | None, processes: int, as_json: bool
) -> int:
    settings = said.settings
    policy = policy_of(settings)
    ground = command_context(settings, mutant)
    folder = RunFolder.create(settings.reports)
    descriptor, seed = ground.descriptor, ground.seed
    run = Run(
        id=folder.run,
        started_at=datetime.now(UTC),
        seed=seed,
        profile=settings.profile,
        stack=ground.kind,
        mutant=ground.mutant,
        target=descriptor.name,
        workers=processes,
        options=said.options,
    )
    stack = ground.stack()
    with open_display() as display:
        display.line(Text(ground.why, style="dim"))
        display.status(f"load {profile.name}: {profile.rate:g} arrivals/s for {profile.seconds:g} s")
        score = run_async(
            lambda: _driven(
                profile,
                stack,
                descriptor,
                seed=seed,
                processes=processes,
                allow=settings.stack.allow_hosts,
            )
        )
        run = replace(run, versions=dict(stack.versions))
        scorecard = assemble(run, Selection((), (), narrowed=True), (), complete=True, load=[score])
        decision = decide(scorecard, policy)
        folder.write(scorecard)
        make_reports(settings, folder, display).publish(RunEnded(scorecard, decision))
    if as_json:
        json.dump(scorecard.as_dict(), sys.stdout, indent=1, ensure_ascii=False)
        sys.stdout.write("\n")
    return decision.exit_code


async def _driven(
    profile: LoadProfile,
    stack: Stack,
    descriptor: Descriptor,
    *,
    seed: int,
    processes: int,
    allow: tuple[str, ...],
) -> LoadScore:
    try:
        await stack.start()
        system = await bind(stack, descriptor, seed=seed, identities=People(seed))
        try:
            return await drive(
                profile, system, stack, descriptor, seed=seed, processes=processes, allow=allow
            )
        finally:
            await system.close()
    finally:
        await stack.close()
