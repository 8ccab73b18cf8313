"""`overbooked up`: keep a stack for work by hand."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from pathlib import Path

import click
from rich.table import Table
from rich.text import Text

from overbooked.cli.context import ground_of
from overbooked.cli.display import stderr_console, stdout_console
from overbooked.cli.looping import looped
from overbooked.cli.options import config_option, kind_option, mutant_option, settings_of
from overbooked.errors import ExitCode
from overbooked.stacks.base.protocol import Stack
from overbooked.stacks.card import card

WATCH_S = 1.0


@click.command(epilog="Ends with Ctrl-C; whatever was started goes away with it.")
@kind_option
@click.option("--replicas", type=click.IntRange(1, 8), help="Processes of the service.")
@mutant_option
@config_option
@click.option("--json", "as_json", is_flag=True, help="Print the addresses as JSON, in one line.")
def command(
    *, kind: str | None, replicas: int | None, mutant: str | None, config: Path | None, as_json: bool
) -> int:
    """Keep a stack for work by hand and print its URLs, DSNs and the address of Toxiproxy.

    \b
    overbooked up
    overbooked up --mutant SYS-03.1 --replicas 2
    overbooked up --json | head -1
    """
    settings = settings_of(config, stack={"kind": kind, "replicas": replicas}).settings
    ground = ground_of(settings, mutant)
    console = stderr_console()
    console.print(Text(ground.why, style="dim"), highlight=False, soft_wrap=True)
    stack = ground.stack()
    with contextlib.suppress(KeyboardInterrupt):
        looped(lambda: _keep(stack, as_json=as_json))
    console.print("gone", highlight=False)
    return ExitCode.SATISFIED


async def _keep(stack: Stack, *, as_json: bool) -> None:
    """Start, show, and hold until somebody ends it or a part dies on its own."""
    try:
        await stack.start()
        _show(stack, as_json=as_json)
        while True:
            await asyncio.sleep(WATCH_S)
            await stack.check()
    finally:
        await stack.close()


def _show(stack: Stack, *, as_json: bool) -> None:
    rows = card(stack)
    if as_json:
        sys.stdout.write(json.dumps(dict(rows)) + "\n")
        sys.stdout.flush()
        return
    table = Table.grid(padding=(0, 2))
    for label, value in rows:
        table.add_row(Text(label, style="bold"), Text(value))
    stdout_console().print(table, highlight=False, markup=False)
    stderr_console().print("Ctrl-C ends it", highlight=False)
