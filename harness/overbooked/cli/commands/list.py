"""`overbooked list`: every known gap with its state."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from overbooked.catalog import Gap
from overbooked.cli.display import stdout_console
from overbooked.cli.options import config_option, resolve_settings, selection_options
from overbooked.config import Settings
from overbooked.errors import UsageError
from overbooked.reporting.gap_states import (
    GapState,
    gap_states,
    mutants_json,
    mutants_table,
    states_json,
    states_table,
)
from overbooked.reporting.run_folder import LATEST, SCORECARD, load_scorecard
from overbooked.verdicts.scorecard import Scorecard
from overbooked.verdicts.verdict import Verdict


@click.command()
@selection_options
@click.option(
    "--state",
    type=click.Choice(["open", "closed", "inconclusive", "not-covered"]),
    help="Only gaps with this verdict in the latest complete run.",
)
@click.option(
    "--mutants", is_flag=True, help="List the mutants of these gaps and whether the target has them."
)
@click.option("--profile", help="Profile that decides which clauses are asked: quick, ci, nightly.")
@config_option
@click.option("--json", "as_json", is_flag=True, help="Print the list as JSON.")
def command(
    *,
    gaps: tuple[str, ...],
    theme: str | None,
    priority: str | None,
    state: str | None,
    mutants: bool,
    profile: str | None,
    config: Path | None,
    as_json: bool,
) -> None:
    """List every known gap with its state, or the mutants of gaps.

    The numbers of a gap count its clauses (with a scenario / asked by the profile / all) and its mutants
    (available in the target / all). The options can be combined.

    \b
    overbooked list
    overbooked list --theme revenue --priority P0
    overbooked list --state open --priority P0
    overbooked list --mutants SYS-03
    overbooked list --json
    """
    settings = resolve_settings(config, profile=profile).settings
    catalog = settings.catalog()
    chosen = catalog.select(gaps, theme=theme, priority=priority)
    if state is not None:
        chosen = _in_state(settings, chosen, Verdict(state.replace("-", " ")))
    states = states_of(settings, chosen)
    if as_json:
        data = mutants_json(states) if mutants else states_json(states)
        json.dump(data, sys.stdout, indent=1, ensure_ascii=False)
        sys.stdout.write("\n")
    else:
        shown = mutants_table(states) if mutants else states_table(states, catalog)
        stdout_console().print(shown, highlight=False, markup=False)


def _in_state(settings: Settings, gaps: tuple[Gap, ...], verdict: Verdict) -> tuple[Gap, ...]:
    """Return the gaps with this verdict in the latest complete run.


    Raises:
        UsageError: there is no such run.
    """
    last = _latest(settings)
    if last is None:
        raise UsageError(
            f"--state: {settings.reports} has no complete run of the system without a mutant; "
            "make one with `overbooked run`"
        )
    those = {gap.id for gap in last.gaps if gap.verdict is verdict}
    return tuple(gap for gap in gaps if gap.id in those)


def _latest(settings: Settings) -> Scorecard | None:
    """Return the scorecard of the latest complete run; None if there is none or it ran with a mutant."""
    latest = settings.reports / LATEST / SCORECARD
    last = load_scorecard(latest) if latest.is_file() else None
    return last if last and last.run.mutant is None else None


def states_of(settings: Settings, gaps: tuple[Gap, ...]) -> tuple[GapState, ...]:
    """Return the states of some gaps: their scenarios, the target's mutants and the latest verdicts.

    Raises:
        UsageError: a scenario cannot be imported, or the descriptor is invalid.
    """
    from overbooked.runs.discovery import discover  # noqa: PLC0415
    from overbooked.runs.mutants import available_mutants  # noqa: PLC0415 - help needs none of this
    from overbooked.runs.stack_factory import load_descriptor  # noqa: PLC0415

    catalog = settings.catalog()
    return gap_states(
        gaps,
        profile=settings.active_profile(catalog),
        scenarios=discover(settings.scenarios, settings.root, catalog),
        mutants=available_mutants(load_descriptor(settings)) if settings.target.descriptor else (),
        last=_latest(settings),
    )
