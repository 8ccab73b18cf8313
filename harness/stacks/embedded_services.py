"""The services of an embedded stack: replicas under test and provider, by the descriptor's commands."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from harness.errors import ConfigError
from harness.stacks.health import http_probe
from harness.stacks.links import Address
from harness.stacks.ownership import Ownership
from harness.stacks.paths import explained
from harness.stacks.process import LocalProcess, ready_at_once
from harness.stacks.settings import StackSettings
from harness.targets.descriptor import Descriptor, Service, fill_command, fill_env


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
        return LocalProcess(
            name,
            self._command(service, values, mutant),
            env=fill_env(service.env, values),
            ownership=self._ownership,
            log=self._log(name),
            probe=http_probe(host, port, service.health),
            timeout_s=self._settings.health_timeout_s,
            directory=self._descriptor.root,
        )

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
        await LocalProcess(
            "mutant",
            fill_command(mutants.prepare, values),
            env=fill_env(mutants.prepare_env, values),
            ownership=self._ownership,
            log=self._log("mutant"),
            probe=ready_at_once,
            timeout_s=self._settings.migrate_timeout_s,
            directory=self._descriptor.root,
        ).run()

    def _log(self, name: str) -> Path:
        return self._ownership.directory / "logs" / f"{name}.log"
