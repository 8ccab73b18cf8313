"""The containers stack: real PostgreSQL, Redis and Toxiproxy, provider and service from their images.

    client -> relay (here, at the network's gateway) -> Toxiproxy -> server

Containers reach the relays at the gateway of the stack's own network, the only address on which the relays
listen. The ports that the harness itself uses are published on loopback.
"""

from __future__ import annotations

import asyncio
import platform
from collections.abc import Mapping, Sequence
from contextlib import suppress

from redis.asyncio import Redis
from testcontainers.core.config import testcontainers_config

from overbooked.concurrency import run_all
from overbooked.descriptor import Descriptor, Service, fill_command, fill_env
from overbooked.errors import HarnessError, StackError
from overbooked.stacks.base.health import Probe, http_probe
from overbooked.stacks.base.links import LinkSet, plan_links
from overbooked.stacks.base.paths import places
from overbooked.stacks.base.running import DATABASE_LINK, StartedStack
from overbooked.stacks.base.settings import StackSettings
from overbooked.stacks.containers.cleanup import labels, remove_stack, sweep_containers
from overbooked.stacks.containers.container import ContainerProcess
from overbooked.stacks.containers.database import ContainerDatabase
from overbooked.stacks.containers.images import ImageNames, resolve_images
from overbooked.stacks.containers.site import SERVICE_PORT, StackNetwork
from overbooked.stacks.processes.ownership import Ownership, sweep
from overbooked.stacks.processes.process import ready_at_once
from overbooked.stacks.servers.placeholders import link_values, url
from overbooked.stacks.servers.redis_server import redis_command, redis_probe


class ContainersStack(StartedStack[ContainerProcess]):
    """One running system in containers; satisfies `overbooked.stacks.base.protocol.Stack`.

    Args:
        descriptor: the system; its services name their images.
        settings: the `[stack]` table; `[stack.images]` names the images.
        mutant: the seeded defect that the service runs with; None for the healthy system.
    """

    kind = "containers"

    def __init__(self, descriptor: Descriptor, settings: StackSettings, *, mutant: str | None = None) -> None:
        super().__init__(descriptor, settings, mutant=mutant)
        self._site: StackNetwork | None = None
        self._images: ImageNames | None = None
        self._database: ContainerDatabase | None = None
        self._values: dict[str, object] = {}

    async def _look_up(self) -> None:
        self._images = await asyncio.to_thread(resolve_images, self._descriptor, self._settings)

    async def _start(self) -> None:
        assert self._images
        where = places(self._settings)
        sweep(where.stacks)
        await asyncio.to_thread(sweep_containers)
        self._own_folder(Ownership.found(where.stacks))
        testcontainers_config.ryuk_disabled = not self._settings.images.reaper
        if self._settings.images.reaper:
            testcontainers_config.ryuk_image = self._settings.images.reaper
        site = self._site = StackNetwork(self._parts(), labels=labels(self.id), ports=self._settings.ports)
        await asyncio.to_thread(site.make)
        links = self._links = LinkSet(
            plan_links(self._descriptor, self.replicas), relay_host=site.gateway, ports=self._settings.ports
        )
        if self._descriptor.database:
            self._database = ContainerDatabase(
                self._descriptor.database, site=site, make=self._make, run_once=self._run_once
            )
            self.dsns = self._database.dsns
        self._values = {
            **link_values(
                self._descriptor,
                {name: links.address(name) for name in links.plans},
                self._database.credentials if self._database else None,
                self._redis_password,
            ),
            "python": "python",
            **({"owner_url": self._database.owner_url} if self._database else {}),
        }
        names = (*self.replicas, *self._providers())
        self.urls = {name: url(site.reached(name)) for name in names}
        self.client_url = url(links.address("client->app"))
        self.toxiproxy_url = url(site.reached("toxiproxy"))
        self.versions = {"Python": platform.python_version(), **self._images.as_versions()}
        prepared = asyncio.Event()
        await run_all(
            self._start_toxiproxy(),
            self._start_database(prepared),
            self._start_redis(),
            self._start_services(self._providers()),
            self._start_services(self.replicas, prepared),
        )
        self._order_processes()

    def _dispose(self) -> None:
        if self._links:
            self._links.close()
        if self._site and self._site.made:
            with suppress(HarnessError):
                remove_stack(self.id)
        self._processes, self._toxiproxy = {}, None
        if self._site:
            self._site.release()
        self._remove_folder()

    # -- its parts -----------------------------------------------------------------------------

    def _make(
        self,
        name: str,
        image: str,
        probe: Probe,
        command: Sequence[str] = (),
        env: Mapping[str, str] | None = None,
    ) -> ContainerProcess:
        assert self._site
        return ContainerProcess(
            name,
            image,
            command=command,
            env=env,
            place=self._site.place(name, image=self._sandbox_image),
            labels=labels(self.id),
            probe=probe,
            timeout_s=self._settings.health_timeout_s,
        )

    @property
    def _sandbox_image(self) -> str:
        """An image that is available in any case and contains the usual shell programs."""
        assert self._images is not None
        return self._images.postgres or self._images.redis or self._images.app

    async def _start_toxiproxy(self) -> None:
        assert self._images
        assert self._site
        probe = http_probe(*self._site.reached("toxiproxy"), "/version")
        process = self._toxiproxy = self._make("toxiproxy", self._images.toxiproxy, probe)
        await self._open_links(process)

    async def _make_proxies(self) -> None:
        assert self._site
        servers = {part: self._site.in_network(part) for part in self._site.parts}
        await self._started().make_proxies(
            self._toxiproxy_client(),
            servers,
            listen=lambda _: "0.0.0.0:0",
            reached_at=self._site.address("toxiproxy"),
        )

    async def _start_database(self, prepared: asyncio.Event) -> None:
        if self._database and self._images:
            process = self._processes["postgres"] = self._database.process(
                self._images.postgres, max_connections=self._settings.max_connections
            )
            await process.start()
            self.versions["PostgreSQL"] = await self._database.prepare()
            await self._renew_database()
        prepared.set()

    async def _renew_database(self) -> None:
        links = self._started()
        if self._database is None:
            return
        await self._database.renew()
        mutants = self._descriptor.mutants
        if self.mutant and mutants and mutants.prepare:
            await self._run_once("mutant", mutants.prepare, mutants.prepare_env, {"mutant": self.mutant})
        async with asyncio.timeout(self._settings.health_timeout_s):
            await links.proxied.wait()
        links.lead(DATABASE_LINK)

    async def _run_once(
        self, name: str, command: Sequence[str], env: Mapping[str, str], values: Mapping[str, object]
    ) -> None:
        """Run a command in the service's image to its end, in the stack's network."""
        assert self._images
        filled = {**self._values, **values}
        await self._make(
            name, self._images.app, ready_at_once, fill_command(command, filled), fill_env(env, filled)
        ).run()

    async def _start_redis(self) -> None:
        if self._descriptor.redis and self._images and self._site:
            process = self._processes["redis"] = self._make(
                "redis",
                self._images.redis,
                redis_probe(self._site.reached("redis"), self._redis_password),
                # The image's own command with a password; its port is published on loopback only.
                ["redis-server", "--save", "", "--appendonly", "no", "--requirepass", self._redis_password],
            )
            await process.start()
            host, port = self._site.reached("redis")
            async with Redis(host=host, port=port, password=self._redis_password) as client:
                self.versions["Redis"] = str((await client.info("server"))["redis_version"])

    async def _flush_redis(self) -> None:
        if "redis" in self._processes and self._site:
            answer = await redis_command(self._site.reached("redis"), self._redis_password, "FLUSHALL")
            if not answer.startswith("+OK"):
                raise StackError(f"Redis refused to be emptied: {answer}", part="redis")

    def _make_service(self, name: str) -> ContainerProcess:
        assert self._images
        assert self._site
        provider = self._descriptor.service("payments")
        is_provider = name == "payments" and provider is not None
        service: Service = provider if is_provider and provider else self._descriptor.app
        values = {**self._values, "host": "0.0.0.0", "port": SERVICE_PORT, "data_dir": "/data"}  # noqa: S104
        command = service.command
        if self.mutant and not is_provider:
            if self._descriptor.mutants is None:
                raise StackError(
                    f"{self._descriptor.name} describes no mutants, so {self.mutant} cannot be served"
                )
            command, values = self._descriptor.mutants.serve, {**values, "mutant": self.mutant}
        return self._make(
            name,
            self._images.payments if is_provider else self._images.app,
            http_probe(*self._site.reached(name), service.health),
            fill_command(command, values),
            fill_env(service.env, values),
        )

    def _everything(self) -> list[ContainerProcess]:
        return [*self._processes.values(), *([self._toxiproxy] if self._toxiproxy else [])]

    async def _how_it_ended(self, process: ContainerProcess) -> str:
        return await asyncio.to_thread(process.how_it_ended)

    async def _end_services(self) -> None:
        for name in (*self.replicas, *self._providers()):
            await asyncio.to_thread(self._processes[name].remove)
