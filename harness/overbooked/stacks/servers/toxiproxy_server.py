"""The stack's Toxiproxy: its address and the few calls a stack makes itself.

Faults are driven by `overbooked.faults`; a stack creates the proxies of its links and resets them.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import httpx

from overbooked.errors import StackError
from overbooked.stacks.base.health import http_probe
from overbooked.stacks.base.settings import StackSettings
from overbooked.stacks.processes.ownership import Ownership
from overbooked.stacks.processes.process import LocalProcess
from overbooked.stacks.servers.binaries import find_toxiproxy

_TIMEOUT_S = 5.0


def server_command(binary: Path | None, host: str, port: int, seed: int | None = None) -> list[str]:
    """The command of a real toxiproxy-server, or of ours when there is none; only ours takes a seed."""
    if binary:
        return [str(binary), "-host", host, "-port", str(port)]
    command = [sys.executable, "-P", "-m", "overbooked.toxiproxy.server", "--host", host, "--port", str(port)]
    return command if seed is None else [*command, "--seed", str(seed)]


def toxiproxy_process(
    settings: StackSettings, ownership: Ownership, address: tuple[str, int]
) -> LocalProcess:
    """A Toxiproxy as a child of ours, the real one where there is one.

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


class ToxiproxyApi:
    """Creates, resets and asks; proxies are process-global at a Toxiproxy."""

    def __init__(self, url: str) -> None:
        self.url = url

    async def version(self) -> str:
        """The version it says it has; one installed by `go install` says `git`."""
        text = (await self._ask("GET", "/version")).text.strip()
        if text.startswith("{"):
            return str(httpx.Response(200, text=text).json().get("version", text))
        return text

    async def create(self, name: str, upstream: tuple[str, int], listen: str) -> tuple[str, int]:
        """Create a proxy and return where it listens.

        Args:
            listen: `host:port`; port 0 takes a free one.

        Raises:
            StackError: it cannot, or answered something else than was asked.
        """
        wanted = {"name": name, "listen": listen, "upstream": f"{upstream[0]}:{upstream[1]}", "enabled": True}
        made: dict[str, Any] = (await self._ask("POST", "/proxies", json=wanted)).json()
        if made.get("upstream") != wanted["upstream"] or not made.get("enabled"):
            raise StackError(f"Toxiproxy made another proxy than was asked: {made}", part="toxiproxy")
        host, _, port = str(made["listen"]).rpartition(":")
        return host.strip("[]"), int(port)

    async def reset(self) -> None:
        """Remove every toxic and enable every proxy."""
        await self._ask("POST", "/reset")

    async def delete(self, name: str) -> None:
        """Remove a proxy."""
        await self._ask("DELETE", f"/proxies/{name}")

    async def _ask(self, method: str, path: str, **content: Any) -> httpx.Response:
        try:
            # Plain HTTP; without `verify` each client would load all certificate authorities.
            async with httpx.AsyncClient(trust_env=False, verify=False, timeout=_TIMEOUT_S) as client:  # noqa: S501
                response = await client.request(method, self.url + path, **content)
        except httpx.HTTPError as error:
            raise StackError(
                f"Toxiproxy at {self.url} did not answer {method} {path}: {type(error).__name__} {error}",
                part="toxiproxy",
            ) from error
        if response.is_error:
            raise StackError(
                f"Toxiproxy refused {method} {path} ({response.status_code}): {response.text.strip()}",
                part="toxiproxy",
            )
        return response
