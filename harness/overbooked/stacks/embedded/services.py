"""The services of an embedded stack: the replicas under test and the provider."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from overbooked.descriptor import Descriptor, Service, fill_command, fill_env
from overbooked.errors import ConfigError
from overbooked.stacks.base.health import http_probe
from overbooked.stacks.base.links import Address
from overbooked.stacks.base.paths import explain_full_disk
from overbooked.stacks.base.settings import StackSettings
from overbooked.stacks.embedded.fork_client import ForkServer, forkable
from overbooked.stacks.processes.ownership import Ownership
from overbooked.stacks.processes.process import LocalProcess, ready_at_once


class EmbeddedServices:
    """Creates the processes of `app`, `app-2` ... and `payments` from the descriptor's commands.

    Args:
        values: placeholder values that all services share.
        owner_url: the owner's direct database URL; for migrations and mutants only.
        servers: leased addresses, by part.
    """

    def __init__(
        self,
        descriptor: Descriptor,
        settings: StackSettings,
        ownership: Ownership,
        *,
        values: Mapping[str, object],
        owner_url: str,
        servers: Mapping[str, Address],
    ) -> None:
        self._descriptor = descriptor
        self._settings = settings
        self._ownership = ownership
        self._values = {**values, **({"owner_url": owner_url} if owner_url else {})}
        self._servers = servers
        self._forkserver = self._fork_server() if settings.preload and sys.platform == "linux" else None
        self.forkserver = self._forkserver.process if self._forkserver else None

    def make(self, name: str, mutant: str | None) -> LocalProcess:
        """Create a process with an empty data directory, without starting it.

        Raises:
            ConfigError: a mutant is requested of a system without mutants, or a placeholder has no value.
        """
        provider = self._descriptor.service("payments")
        service = provider if name == "payments" and provider else self._descriptor.app
        host, port = self._servers[name]
        data = self._ownership.directory / "data" / name
        with explain_full_disk():
            shutil.rmtree(data, ignore_errors=True)
            data.mkdir(parents=True)
        values = {**self._values, "host": host, "port": port, "data_dir": data}
        command = self._command(service, values, mutant)
        return LocalProcess(
            name,
            command,
            env=fill_env(service.env, values),
            passed_on=self._descriptor.pass_environment,
            ownership=self._ownership,
            log=self._log(name),
            probe=http_probe(host, port, service.health),
            timeout_s=self._settings.health_timeout_s,
            directory=self._descriptor.root,
            launcher=self._launcher(service, command),
        )

    async def load(self) -> None:
        """Start the fork server if a service uses it and it is not running.

        Raises:
            StackError: a module cannot be preloaded.
        """
        if self.forkserver is not None and not self.forkserver.alive():
            await self.forkserver.start()

    def close(self) -> None:
        """Close the fork server's channel after all processes were killed; idempotent."""
        if self._forkserver is not None:
            self._forkserver.close()

    def _fork_server(self) -> ForkServer | None:
        modules = dict.fromkeys(module for service in self._descriptor.services for module in service.preload)
        if not modules:
            return None
        return ForkServer(
            list(modules),
            ownership=self._ownership,
            log=self._log("forkserver"),
            timeout_s=self._settings.health_timeout_s,
            directory=self._descriptor.root,
        )

    def _launcher(self, service: Service, command: Sequence[str]) -> ForkServer | None:
        return self._forkserver if service.preload and forkable(command) else None

    def _command(self, service: Service, values: Mapping[str, object], mutant: str | None) -> list[str]:
        if mutant is None or service.name != "app":
            return fill_command(service.command, values)
        if self._descriptor.mutants is None:
            raise ConfigError(f"{self._descriptor.name} describes no mutants, so {mutant} cannot be served")
        return fill_command(self._descriptor.mutants.serve, {**values, "mutant": mutant})

    async def prepare_mutant(self, mutant: str) -> None:
        """Apply the mutant's changes to a fresh database, as its owner.

        Raises:
            StackError: the command failed.
        """
        mutants = self._descriptor.mutants
        if mutants is None or not mutants.prepare:
            return
        values = {**self._values, "mutant": mutant}
        command = fill_command(mutants.prepare, values)
        await self.load()
        await LocalProcess(
            "mutant",
            command,
            env=fill_env(mutants.prepare_env, values),
            passed_on=self._descriptor.pass_environment,
            ownership=self._ownership,
            log=self._log("mutant"),
            probe=ready_at_once,
            timeout_s=self._settings.migrate_timeout_s,
            directory=self._descriptor.root,
            launcher=self._launcher(self._descriptor.app, command),
        ).run()

    def _log(self, name: str) -> Path:
        return self._ownership.directory / "logs" / f"{name}.log"
