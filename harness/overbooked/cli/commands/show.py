"""`overbooked show`: the details of one gap."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from overbooked.cli.commands.list import states_of
from overbooked.cli.display import stdout_console
from overbooked.cli.options import config_option, resolve_settings
from overbooked.reporting.gap_states import gap_detail, states_json


@click.command()
@click.argument("name", metavar="GAP")
@click.option("--profile", help="Profile that decides which clauses are asked: quick, ci, nightly.")
@config_option
@click.option("--json", "as_json", is_flag=True, help="Print the gap as JSON.")
def command(*, name: str, profile: str | None, config: Path | None, as_json: bool) -> None:
    """Show one gap: its clauses, its mutants and the latest verdict.

    GAP is a gap, one of its clauses or one of its mutants.

    \b
    overbooked show SYS-03
    overbooked show SYS-03.2
    """
    settings = resolve_settings(config, profile=profile).settings
    (state,) = states_of(settings, (settings.catalog().gap_of(name),))
    if as_json:
        json.dump(states_json([state])[0], sys.stdout, indent=1, ensure_ascii=False)
        sys.stdout.write("\n")
    else:
        stdout_console().print(gap_detail(state), highlight=False, markup=False)
