"""`overbooked up`: run a stack for manual use."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from pathlib import Path

import click
from rich.table import Table
from rich.text import Text

from overbooked.cli.context import command_context
from overbooked.cli.display import stderr_console, stdout_console
from overbooked.cli.options import config_option, kind_option, mutant_option, resolve_settings
from overbooked.cli.terminal import run_async
from overbooked.errors import ExitCode
from overbooked.stacks.base.protocol import Stack

WATCH_S = 1.0


@click.command(epilog="Ctrl-C stops the stack and removes everything that was started.")
@kind_option
@click.option("--replicas", type=click.IntRange(1, 8), help="Processes of the service.")
@mutant_option
@config_option
@click.option("--json", "as_json", is_flag=True, help="Print the addresses as JSON, in one line.")
def command(
    *, kind: str | None, replicas: int | None, mutant: str | None, config: Path | None, as_json: bool
) -> int:
    """Run a stack for manual use and print its URLs, DSNs and the address of Toxiproxy.

    \b
    overbooked up
    overbooked up --mutant SYS-03.1 --replicas 2
    overbooked up --json | head -1
    """
    settings = resolve_settings(config, stack={"kind": kind, "replicas": replicas}).settings
    ground = command_context(settings, mutant)
    console = stderr_console()
    console.print(Text(ground.why, style="dim"), highlight=False, soft_wrap=True)
    stack = ground.stack()
    with contextlib.suppress(KeyboardInterrupt):
        run_async(lambda: _keep(stack, as_json=as_json))
    console.print("gone", highlight=False)
    return ExitCode.SATISFIED


async def _keep(stack: Stack, *, as_json: bool) -> None:
    """Start a stack, print its URLs, and keep it until Ctrl-C or until a part dies."""
    try:
        await stack.start()
        _show(stack, as_json=as_json)
        while True:
            await asyncio.sleep(WATCH_S)
            await stack.check()
    finally:
        await stack.close()


def _show(stack: Stack, *, as_json: bool) -> None:
    rows = addresses(stack)
    if as_json:
        sys.stdout.write(json.dumps(dict(rows)) + "\n")
        sys.stdout.flush()
        return
    table = Table.grid(padding=(0, 2))
    for label, value in rows:
        table.add_row(Text(label, style="bold"), Text(value))
    stdout_console().print(table, highlight=False, markup=False)
    stderr_console().print("Ctrl-C ends it", highlight=False)


def addresses(stack: Stack) -> list[tuple[str, str]]:
    """Return (label, value) rows: client URL, direct URLs, DSNs, Toxiproxy, links."""
    rows = [("client->app", stack.client_url)]
    rows += [(f"{name} (direct)", address) for name, address in stack.urls.items()]
    rows += [(f"database as {role}", dsn) for role, dsn in stack.dsns.items()]
    if stack.toxiproxy_url:
        rows.append(("Toxiproxy", stack.toxiproxy_url))
    for name, link in stack.links.items():
        host, port = link.address
        rows.append((f"link {name}", f"{host}:{port}  (proxy {link.toxiproxy})"))
    return rows
