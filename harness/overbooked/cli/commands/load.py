"""`overbooked load`: put the system under load and judge it."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from rich.padding import Padding
from rich.text import Text

from overbooked.catalog.selection import Selection
from overbooked.cli.context import ground_of
from overbooked.cli.display import displayed
from overbooked.cli.looping import looped
from overbooked.cli.options import (
    Said,
    config_option,
    kind_option,
    mutant_option,
    policy_of,
    seed_option,
    settings_of,
)
from overbooked.descriptor import Descriptor
from overbooked.journeys.identities import People
from overbooked.load.drive import drive
from overbooked.load.profile import LoadProfile, load_profile
from overbooked.reporting.console import heading_line, load_text
from overbooked.reporting.reports import write_reports
from overbooked.reporting.run_folder import RunFolder
from overbooked.stacks.base.protocol import Stack
from overbooked.targets.loading import bind
from overbooked.verdicts.assembly import assemble
from overbooked.verdicts.policy import decide
from overbooked.verdicts.scorecard import LoadScore, Run


@click.command(
    epilog="Exit codes: 0 objectives and invariants held, 1 one did not, 2 bad usage, 3 the load itself "
    "was invalid and proves nothing, 130 interrupted. `latest` is left to runs that judge gaps."
)
@click.argument("profile", metavar="[PROFILE]", default="smoke")
@click.option("--rate", type=click.FloatRange(min=0, min_open=True), help="Arrivals a second.")
@click.option("--seconds", type=click.FloatRange(min=0, min_open=True), help="How long it lasts.")
@click.option(
    "--processes", type=click.IntRange(1, 64), default=1, help="Generators that share the arrivals."
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

    Arrivals are scheduled ahead and latency counts from when each was to begin, so a system that
    stalls cannot hide it. Afterwards the durable state is held to the rules of booking.

    PROFILE is a bundled load profile (smoke) or a TOML file of your own.

    \b
    overbooked load smoke
    overbooked load smoke --rate 40 --seconds 60
    overbooked load ./black-friday.toml --json
    """
    said = settings_of(config, seed=seed, stack={"kind": options["kind"], "replicas": options["replicas"]})
    wanted = load_profile(profile).at(rate=rate, seconds=seconds)
    return _load(said, wanted, mutant=mutant, processes=processes, as_json=as_json)


def _load(said: Said, profile: LoadProfile, *, mutant: str | None, processes: int, as_json: bool) -> int:
    settings = said.settings
    policy = policy_of(settings)
    ground = ground_of(settings, mutant)
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
    )
    stack = ground.stack()
    with displayed() as display:
        display.line(Text(ground.why, style="dim"))
        display.status(f"load {profile.name}: {profile.rate:g} arrivals/s for {profile.seconds:g} s")
        score = looped(
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
        write_reports(folder, scorecard, decision, assets=settings.root / "reports", latest=False)
        display.line(heading_line(scorecard))
        display.line(load_text(score))
        for line in _finding(score):
            display.line(Padding(Text(line), (0, 0, 0, 6)))
        display.line(Text(f"Gate: {decision.sentence}.   {folder.path}/"))
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
        system = await bind(stack, descriptor, seed=seed, people=People(seed))
        try:
            return await drive(
                profile, system, stack, descriptor, seed=seed, processes=processes, allow=allow
            )
        finally:
            await system.close()
    finally:
        await stack.close()


def _finding(score: LoadScore) -> list[str]:
    """What was found wrong, for the terminal."""
    if score.finding is None:
        return []
    said = (("expected", score.finding.expected), ("observed", score.finding.observed))
    return [*(f"{word}  {text}" for word, text in said if text), *score.finding.operations[:10]]
