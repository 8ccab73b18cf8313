"""The services of an embedded stack: replicas under test and provider, by the descriptor's commands."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from overbooked.descriptor import Descriptor, Service, fill_command, fill_env
from overbooked.errors import ConfigError
from overbooked.stacks.base.health import http_probe
from overbooked.stacks.base.links import Address
from overbooked.stacks.base.paths import explained
from overbooked.stacks.base.settings import StackSettings
from overbooked.stacks.embedded.fork_client import ForkServer, forkable
from overbooked.stacks.processes.ownership import Ownership
from overbooked.stacks.processes.process import LocalProcess, ready_at_once


class EmbeddedServices:
    """Makes the processes of `app`, `app-2` ... and `provider`.

    Args:
        values: placeholder values that all services share.
        owner_url: the database as its owner, directly; for migrations and mutants only.
        servers: leased addresses by part.
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
        self.provider_names = ["provider"] if descriptor.service("provider") else []
        self._forkserver = self._fork_server() if settings.preload and sys.platform == "linux" else None
        self.forkserver = self._forkserver.process if self._forkserver else None

    def make(self, name: str, mutant: str | None) -> LocalProcess:
        """A process that has not been started, with an empty data directory.

        Raises:
            ConfigError: a mutant is wanted of a system that describes none, or a placeholder has no value.
        """
        provider = self._descriptor.service("provider")
        service = provider if name == "provider" and provider else self._descriptor.app
        host, port = self._servers[name]
        data = self._ownership.directory / "data" / name
        with explained():
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
        """Start the fork server where services ask for one and it does not run.

        Raises:
            StackError: a module cannot be preloaded.
        """
        if self.forkserver is not None and not self.forkserver.alive():
            await self.forkserver.start()

    def close(self) -> None:
        """Let go of the fork server's channel, once every process was killed; safe to repeat."""
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
        """Run what the mutant does to a fresh database, by its owner.

        Raises:
            StackError: it failed.
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
