"""`overbooked doctor`: check what this machine can run."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click
from rich.table import Table
from rich.text import Text

from overbooked.cli.display import stdout_console
from overbooked.cli.options import config_option, resolve_settings
from overbooked.errors import ExitCode
from overbooked.runs.stack_factory import load_descriptor
from overbooked.stacks.doctor import Check, CheckState, examine

STYLES = {CheckState.OK: "green", CheckState.OPTIONAL: "yellow", CheckState.MISSING: "bold red"}


@click.command(epilog="Exit codes: 0 a stack can be started here, 3 something is missing.")
@config_option
@click.option("--json", "as_json", is_flag=True, help="Print the checks as JSON.")
def command(*, config: Path | None, as_json: bool) -> int:
    """Check what this machine can run, what is missing and how to get it.

    It changes nothing and downloads nothing.

    \b
    overbooked doctor
    """
    settings = resolve_settings(config).settings
    descriptor = load_descriptor(settings) if settings.target.descriptor else None
    checks = examine(settings.stack, descriptor)
    if as_json:
        rows = [
            {"name": c.name, "state": c.state.value, "found": c.found, "advice": c.advice} for c in checks
        ]
        json.dump(rows, sys.stdout, indent=1, ensure_ascii=False)
        sys.stdout.write("\n")
    else:
        stdout_console().print(_table(checks), highlight=False, markup=False)
    missing = any(check.state is CheckState.MISSING for check in checks)
    return ExitCode.INCONCLUSIVE if missing else ExitCode.SATISFIED


def _table(checks: list[Check]) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for check in checks:
        table.add_row(Text(check.state.value, style=STYLES[check.state]), check.name, Text(check.found))
        if check.advice:
            table.add_row("", "", Text(check.advice, style="dim"))
    return table
