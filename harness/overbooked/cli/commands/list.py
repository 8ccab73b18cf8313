"""`overbooked list`: every known gap with its state."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from overbooked.catalog import Gap
from overbooked.cli.display import stdout_console
from overbooked.cli.options import config_option, selection_options, settings_of
from overbooked.config import Settings
from overbooked.reporting.gap_states import GapState, gap_states, states_json, states_table
from overbooked.reporting.run_folder import LATEST, SCORECARD, load_scorecard


@click.command()
@selection_options
@click.option("--profile", help="Whose clauses count as asked: quick, ci, nightly.")
@config_option
@click.option("--json", "as_json", is_flag=True, help="Print the list as JSON.")
def command(
    *,
    gaps: tuple[str, ...],
    theme: str | None,
    priority: str | None,
    profile: str | None,
    config: Path | None,
    as_json: bool,
) -> None:
    """List every known gap with its state.

    The numbers are clauses covered by a scenario / asked by the profile / in all, and mutants that
    the target has / in all.

    \b
    overbooked list
    overbooked list --theme revenue --priority P0
    overbooked list --json
    """
    settings = settings_of(config, profile=profile).settings
    catalog = settings.catalog()
    states = states_of(settings, catalog.select(gaps, theme=theme, priority=priority))
    if as_json:
        json.dump(states_json(states), sys.stdout, indent=1, ensure_ascii=False)
        sys.stdout.write("\n")
    else:
        stdout_console().print(states_table(states, catalog), highlight=False, markup=False)


def states_of(settings: Settings, gaps: tuple[Gap, ...]) -> tuple[GapState, ...]:
    """How some gaps stand: their scenarios, the target's mutants and the latest verdicts.

    Raises:
        UsageError: a scenario cannot be imported, or the descriptor is wrong.
    """
    from overbooked.runs.discovery import survey  # noqa: PLC0415
    from overbooked.runs.mutants import repertoire  # noqa: PLC0415 - help needs none of this
    from overbooked.runs.stack_factory import descriptor_of  # noqa: PLC0415

    catalog = settings.catalog()
    latest = settings.reports / LATEST / SCORECARD
    last = load_scorecard(latest) if latest.is_file() else None
    return gap_states(
        gaps,
        profile=settings.active_profile(catalog),
        scenarios=survey(settings.scenarios, settings.root, catalog),
        mutants=repertoire(descriptor_of(settings)) if settings.target.descriptor else (),
        # What a mutant opened says nothing of the system as it is.
        last=last if last and last.run.mutant is None else None,
    )
