"""The stack's Toxiproxy: its process, and calls of its API from coroutines."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from overbooked.errors import FaultError, StackError
from overbooked.stacks.base.health import http_probe
from overbooked.stacks.base.settings import StackSettings
from overbooked.stacks.processes.ownership import Ownership
from overbooked.stacks.processes.process import LocalProcess
from overbooked.stacks.servers.binaries import find_toxiproxy

T = TypeVar("T")


def server_command(binary: Path | None, host: str, port: int, seed: int | None = None) -> list[str]:
    """The command line of a toxiproxy-server, or of the bundled server if `binary` is None.

    Only the bundled server gets the seed.
    """
    if binary:
        return [str(binary), "-host", host, "-port", str(port)]
    command = [sys.executable, "-P", "-m", "overbooked.toxiproxy.server", "--host", host, "--port", str(port)]
    return command if seed is None else [*command, "--seed", str(seed)]


def toxiproxy_process(
    settings: StackSettings, ownership: Ownership, address: tuple[str, int]
) -> LocalProcess:
    """Create the Toxiproxy process: the original server if there is one, else the bundled one.

    Raises:
        ConfigError: `[stack] toxiproxy` names a program that cannot be executed.
    """
    host, port = address
    return LocalProcess(
        "toxiproxy",
        server_command(find_toxiproxy(settings), host, port, settings.toxiproxy_seed),
        ownership=ownership,
        log=ownership.directory / "logs" / "toxiproxy.log",
        probe=http_probe(host, port, "/version"),
        timeout_s=settings.health_timeout_s,
    )


async def at_toxiproxy(act: Callable[[], T]) -> T:
    """Run a blocking call of a `ToxiproxyClient` in a thread.

    Raises:
        StackError: Toxiproxy did not answer, refused, or answered something other than requested.
    """
    try:
        return await asyncio.to_thread(act)
    except FaultError as error:
        raise StackError(str(error), part="toxiproxy") from error
