"""The embedded stack: PostgreSQL, Redis, Toxiproxy, provider and service as local processes."""

from __future__ import annotations

import asyncio
import platform
import signal
from contextlib import suppress

from overbooked.concurrency import run_all
from overbooked.descriptor import Descriptor
from overbooked.errors import HarnessError
from overbooked.stacks.base.links import Address, LinkSet, plan_links
from overbooked.stacks.base.paths import places, require_space
from overbooked.stacks.base.running import DATABASE_LINK, StartedStack
from overbooked.stacks.base.settings import StackSettings
from overbooked.stacks.embedded.database import EmbeddedDatabase
from overbooked.stacks.embedded.services import EmbeddedServices
from overbooked.stacks.processes.ownership import Ownership, sweep
from overbooked.stacks.processes.ports import PortLeases
from overbooked.stacks.processes.process import LocalProcess
from overbooked.stacks.servers import binaries
from overbooked.stacks.servers.database import SUPERUSER
from overbooked.stacks.servers.placeholders import LOOPBACK, direct_dsns, link_values, url
from overbooked.stacks.servers.redis_server import flush, redis_process, redis_version
from overbooked.stacks.servers.toxiproxy_server import toxiproxy_process


class EmbeddedStack(StartedStack[LocalProcess]):
    """One running system without Docker and without root; satisfies `overbooked.stacks.base.protocol.Stack`.

    Start and close it from the same long-lived thread (see `LocalProcess`), preferably by
    `async with EmbeddedStack(...) as stack`.

    Args:
        descriptor: the system.
        settings: the `[stack]` table.
        mutant: the seeded defect that the service runs with; None for the healthy system.
    """

    kind = "embedded"

    def __init__(self, descriptor: Descriptor, settings: StackSettings, *, mutant: str | None = None) -> None:
        super().__init__(descriptor, settings, mutant=mutant)
        self._leases = PortLeases(LOOPBACK)
        self._servers: dict[str, Address] = {}
        self._database: EmbeddedDatabase | None = None
        self._services: EmbeddedServices | None = None

    async def _start(self) -> None:
        where = places(self._settings)
        sweep(where.stacks)
        require_space(where.stacks, self._settings.min_free_mb)
        require_space(where.cache, self._settings.min_free_mb)
        ownership = Ownership.found(where.stacks)
        self._own_folder(ownership)
        database = self._descriptor.database
        for part in self._parts():
            self._servers[part] = (LOOPBACK, self._leases.take(part, self._settings.ports.get(part, 0)))
        self.toxiproxy_url = url(self._servers["toxiproxy"])
        toxiproxy = self._toxiproxy = toxiproxy_process(self._settings, ownership, self._servers["toxiproxy"])
        links = self._links = LinkSet(plan_links(self._descriptor, self.replicas), ports=self._settings.ports)
        if database:
            self._database = EmbeddedDatabase(
                self._descriptor,
                database,
                self._settings,
                cache=where.cache,
                ownership=ownership,
                port=self._servers["postgres"][1],
            )
            self.dsns = direct_dsns(database, self._database.credentials, self._database.address, SUPERUSER)
        if self._descriptor.redis:
            self._processes["redis"] = self._make_redis(ownership)
        credentials = self._database.credentials if self._database else None
        addresses = {name: links.address(name) for name in links.plans}
        self._services = EmbeddedServices(
            self._descriptor,
            self._settings,
            ownership,
            values=link_values(self._descriptor, addresses, credentials, self._redis_password),
            owner_url=self.dsns.get("owner", ""),
            servers=self._servers,
        )
        self.urls = {name: url(self._servers[name]) for name in (*self.replicas, *self._providers())}
        self.client_url = url(links.address("client->app"))
        self.versions["Python"] = platform.python_version()
        # Start all parts concurrently: connections to a database that is not ready yet wait in the relay.
        prepared = asyncio.Event()
        await run_all(
            self._start_toxiproxy(toxiproxy),
            self._start_database(prepared),
            self._start_redis(),
            self._start_all_services(prepared),
        )
        self._order_processes()

    def _dispose(self) -> None:
        # Without an await, so that no cancellation interrupts it; it takes about 100 ms.
        if self._links:
            self._links.close()
        for process in sorted(self._everything(), key=lambda part: part is self._forkserver()):
            if process.name == "postgres":
                process.stop(signal.SIGQUIT)
            else:
                with suppress(HarnessError):
                    process.kill()
        if self._services:
            self._services.close()
        if self._database:
            self._database.forget()
        self._leases.release()
        self._remove_folder()

    # -- its parts -----------------------------------------------------------------------------

    def _everything(self) -> list[LocalProcess]:
        # The fork server first: its end is the cause of the end of its child processes.
        parts = [self._forkserver(), *self._processes.values(), self._toxiproxy]
        return [part for part in parts if part is not None]

    def _forkserver(self) -> LocalProcess | None:
        return self._services.forkserver if self._services else None

    def _make_redis(self, ownership: Ownership) -> LocalProcess:
        return redis_process(
            binaries.find_redis(self._settings),
            ownership.directory / "redis",
            port=self._servers["redis"][1],
            password=self._redis_password,
            ownership=ownership,
            log=ownership.directory / "logs" / "redis.log",
            timeout_s=self._settings.health_timeout_s,
        )

    async def _start_toxiproxy(self, process: LocalProcess) -> None:
        await self._open_links(process)
        if binaries.find_toxiproxy(self._settings) is None:
            self.versions["Toxiproxy"] += " (ours)"

    async def _make_proxies(self) -> None:
        # Leased ports, so that a proxy that is disabled and enabled again can use the same port.
        await self._started().make_proxies(
            self._toxiproxy_client(),
            self._servers,
            listen=lambda plan: f"{LOOPBACK}:{self._leases.take(plan.toxiproxy)}",
        )

    async def _start_database(self, prepared: asyncio.Event) -> None:
        if self._database:
            await self._database.prepare()
            assert self._database.process
            self._processes["postgres"] = self._database.process
            prepared.set()
            self.versions["PostgreSQL"] = await self._database.start()
            await self._allow_connections()
        prepared.set()

    async def _renew_database(self) -> None:
        if self._database:
            await self._database.renew()
            await self._allow_connections()

    async def _allow_connections(self) -> None:
        """Prepare the mutant on the fresh clone, then let the service connect."""
        assert self._services
        links = self._started()
        if self.mutant:
            await self._services.prepare_mutant(self.mutant)
        await links.proxied.wait()
        links.lead(DATABASE_LINK)

    async def _start_redis(self) -> None:
        if "redis" in self._processes:
            await self._processes["redis"].start()
            self.versions["Redis"] = await redis_version(binaries.find_redis(self._settings))

    async def _flush_redis(self) -> None:
        if "redis" in self._processes:
            await flush(self._servers["redis"], self._redis_password)

    async def _load_services(self) -> None:
        assert self._services
        await self._services.load()

    async def _start_all_services(self, prepared: asyncio.Event) -> None:
        await self._load_services()
        await run_all(self._start_services(self._providers()), self._start_services(self.replicas, prepared))

    def _make_service(self, name: str) -> LocalProcess:
        assert self._services
        return self._services.make(name, self.mutant if name in self.replicas else None)

    async def _end_services(self) -> None:
        for name in (*self.replicas, *self._providers()):
            self._processes[name].kill()

    def _needs_start(self, name: str) -> bool:
        return True  # `start` also waits until a running service is healthy

    async def _how_it_ended(self, process: LocalProcess) -> str:
        return process.how_it_ended()
