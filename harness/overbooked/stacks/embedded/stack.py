"""The embedded stack: PostgreSQL, Redis, Toxiproxy, provider and service as local processes."""

from __future__ import annotations

import asyncio
import platform
import secrets
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress

from overbooked.descriptor import Descriptor
from overbooked.errors import HarnessError, StackError
from overbooked.stacks.base.links import Address, LinkSet, plan_links, replica_names
from overbooked.stacks.base.part_failures import cause_first, gates_word_first, own_death
from overbooked.stacks.base.paths import explained, places, require_space
from overbooked.stacks.base.settings import StackSettings
from overbooked.stacks.embedded.database import EmbeddedDatabase
from overbooked.stacks.embedded.services import EmbeddedServices
from overbooked.stacks.processes import atexit_guard as guard
from overbooked.stacks.processes.ownership import Ownership, sweep
from overbooked.stacks.processes.ports import PortLeases
from overbooked.stacks.processes.process import LocalProcess
from overbooked.stacks.servers import binaries
from overbooked.stacks.servers.database import SUPERUSER
from overbooked.stacks.servers.placeholders import LOOPBACK, direct_dsns, link_values, url
from overbooked.stacks.servers.redis_server import flush, redis_process, redis_version
from overbooked.stacks.servers.toxiproxy_server import ToxiproxyApi, toxiproxy_process
from overbooked.stacks.together import together
from overbooked.wire.link import RelayLink

_DATABASE_LINK = "app->postgres"


class EmbeddedStack:
    """One running system without Docker and without root; satisfies `overbooked.stacks.base.protocol.Stack`.

    Start and close it from the same long-lived thread (see `LocalProcess`), best as
    `async with EmbeddedStack(...) as stack`.

    Args:
        descriptor: the system.
        settings: the `[stack]` table.
        mutant: the seeded defect to serve, None for the healthy system.
    """

    kind = "embedded"

    def __init__(self, descriptor: Descriptor, settings: StackSettings, *, mutant: str | None = None) -> None:
        self.id = ""
        self.mutant = mutant
        self.versions: dict[str, str] = {}
        self.urls: dict[str, str] = {}
        self.dsns: dict[str, str] = {}
        self.toxiproxy_url = ""
        self.client_url = ""
        self.replicas: Sequence[str] = replica_names(settings.replicas or descriptor.app.replicas)
        self._descriptor = descriptor
        self._settings = settings
        self._processes: dict[str, LocalProcess] = {}
        self._ownership: Ownership | None = None
        self._leases = PortLeases(LOOPBACK)
        self._links: LinkSet | None = None
        self._servers: dict[str, Address] = {}
        self._database: EmbeddedDatabase | None = None
        self._services: EmbeddedServices | None = None
        self._toxiproxy: LocalProcess | None = None
        self._redis_password = secrets.token_hex(16)

    # -- what it is made of --------------------------------------------------------------------

    @property
    def links(self) -> Mapping[str, RelayLink]:
        return self._links.links if self._links else {}

    @property
    def processes(self) -> Mapping[str, LocalProcess]:
        return self._processes

    def log_tail(self, process: str, lines: int = 40) -> list[str]:
        """The last lines of a part's log; `toxiproxy` has one too."""
        if process == "toxiproxy" and self._toxiproxy:
            return self._toxiproxy.log_tail(lines)
        if process in self._processes:
            return self._processes[process].log_tail(lines)
        return []

    # -- its life ------------------------------------------------------------------------------

    async def __aenter__(self) -> EmbeddedStack:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def start(self) -> None:
        """Start everything; returns when all parts are healthy.

        Raises:
            StackError: a part did not start; nothing is left behind.
            ConfigError: the descriptor or a setting cannot be used.
        """
        try:
            with explained():
                async with asyncio.timeout(self._settings.start_timeout_s):
                    with (
                        cause_first(self._everything, replicas=self.replicas),
                        gates_word_first(lambda: self.links),
                    ):
                        await self._start()
        except TimeoutError as error:
            await self.close()
            raise StackError(
                f"the stack was not up within {self._settings.start_timeout_s:g} s ([stack] start_timeout_s)"
            ) from error
        except OSError as error:
            await self.close()
            raise StackError(f"the stack cannot be started: {error}") from error
        except BaseException:
            await self.close()
            raise

    async def _start(self) -> None:
        where = places(self._settings)
        sweep(where.stacks)
        require_space(where.stacks, self._settings.min_free_mb)
        require_space(where.cache, self._settings.min_free_mb)
        ownership = self._ownership = Ownership.found(where.stacks)
        self.id = ownership.id
        guard.protect(self.id, self._dispose)
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
        services = self._services = EmbeddedServices(
            self._descriptor,
            self._settings,
            ownership,
            values=link_values(self._descriptor, addresses, credentials, self._redis_password),
            owner_url=self.dsns.get("owner", ""),
            servers=self._servers,
        )
        self.urls = {name: url(self._servers[name]) for name in (*self.replicas, *services.provider_names)}
        self.client_url = url(links.address("client->app"))
        self.versions["Python"] = platform.python_version()
        # All at once: a service may come up before its database, its connections wait in the relay.
        prepared = asyncio.Event()
        await together(
            self._start_toxiproxy(toxiproxy, links),
            self._start_database(prepared),
            self._start_redis(),
            self._start_services(services, prepared),
        )
        self._order_processes()

    async def renew(self, *, mutant: str | None) -> None:
        """Fresh database, Redis and provider; the service started anew, with the mutant if one is named.

        Raises:
            StackError: a part did not come up.
        """
        links, services = self._started()
        self.mutant = mutant
        for name in self._service_names():
            self._processes[name].kill()
        await self._heal_infrastructure()
        await services.load()
        links.hold(_DATABASE_LINK)
        with cause_first(self._everything, replicas=self.replicas):
            await together(
                self._renew_database(),
                self._flush_redis(),
                self._start_provider(services),
                self._start_app(services, None),
            )

    async def heal(self) -> None:
        """Remove every toxic, resume what is paused, restart what is dead."""
        _, services = self._started()
        await self._heal_infrastructure()
        await services.load()
        with cause_first(self._everything, replicas=self.replicas):
            await together(*(self._processes[name].start() for name in self._service_names()))

    async def check(self) -> None:
        """Say when a part has died that no fault of ours took down.

        Raises:
            SystemDied: the service ended on its own.
            PartDied: another part did.
        """
        for process in self._everything():
            if end := process.how_it_ended():
                raise own_death(process, end, replicas=self.replicas)

    async def close(self) -> None:
        """End everything and remove the stack's folder; idempotent, also after a failed start."""
        self._dispose()

    def _dispose(self) -> None:
        # Not awaited anywhere, so that no cancellation comes between: it takes some 100 ms.
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
        if self._ownership:
            self._ownership.remove()
            guard.unprotect(self._ownership.id)

    # -- its parts -----------------------------------------------------------------------------

    def _everything(self) -> list[LocalProcess]:
        # The fork server first: when it dies, what it started dies with it and is not to blame.
        parts = [self._forkserver(), *self._processes.values(), self._toxiproxy]
        return [part for part in parts if part is not None]

    def _forkserver(self) -> LocalProcess | None:
        return self._services.forkserver if self._services else None

    def _parts(self) -> list[str]:
        parts = ["toxiproxy", *self.replicas]
        parts += ["postgres"] if self._descriptor.database else []
        parts += ["redis"] if self._descriptor.redis else []
        parts += ["provider"] if self._descriptor.service("provider") else []
        return parts

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

    async def _start_toxiproxy(self, process: LocalProcess, links: LinkSet) -> None:
        await process.start()
        api = ToxiproxyApi(self.toxiproxy_url)
        ours = binaries.find_toxiproxy(self._settings) is None
        self.versions["Toxiproxy"] = f"{await api.version()}{' (ours)' if ours else ''}"
        await self._make_proxies(api, links)
        links.lead(*(name for name in links.plans if name != _DATABASE_LINK))

    async def _make_proxies(self, api: ToxiproxyApi, links: LinkSet) -> None:
        # Leased, so that a proxy that is switched off and on finds its port again.
        await links.make_proxies(
            api, self._servers, listen=lambda plan: f"{LOOPBACK}:{self._leases.take(plan.toxiproxy)}"
        )

    async def _start_database(self, prepared: asyncio.Event) -> None:
        if self._database:
            await self._database.prepare()
            assert self._database.process
            self._processes["postgres"] = self._database.process
            prepared.set()
            self.versions["PostgreSQL"] = await self._database.start()
            await self._let_in()
        prepared.set()

    async def _renew_database(self) -> None:
        if self._database:
            await self._database.renew()
            await self._let_in()

    async def _let_in(self) -> None:
        """Prepare the mutant on the fresh clone, then let the service at it."""
        links, services = self._started()
        if self.mutant:
            await services.prepare_mutant(self.mutant)
        await links.proxied.wait()
        links.lead(_DATABASE_LINK)

    async def _start_redis(self) -> None:
        if "redis" in self._processes:
            await self._processes["redis"].start()
            self.versions["Redis"] = await redis_version(binaries.find_redis(self._settings))

    async def _flush_redis(self) -> None:
        if "redis" in self._processes:
            await flush(self._servers["redis"], self._redis_password)

    async def _start_services(self, services: EmbeddedServices, prepared: asyncio.Event) -> None:
        await services.load()
        await together(self._start_provider(services), self._start_app(services, prepared))

    async def _start_provider(self, services: EmbeddedServices) -> None:
        await together(*(self._fresh(services, name, None) for name in services.provider_names))

    async def _start_app(self, services: EmbeddedServices, prepared: asyncio.Event | None) -> None:
        if prepared:
            await prepared.wait()
        await together(*(self._fresh(services, name, self.mutant) for name in self.replicas))

    async def _fresh(self, services: EmbeddedServices, name: str, mutant: str | None) -> None:
        self._processes[name] = services.make(name, mutant)
        await self._processes[name].start()

    async def _heal_infrastructure(self) -> None:
        links, _ = self._started()
        assert self._toxiproxy
        api = ToxiproxyApi(self.toxiproxy_url)
        if not self._toxiproxy.alive():
            await self._toxiproxy.start()
            await self._make_proxies(api, links)
        await api.reset()
        servers = [self._processes[name] for name in ("postgres", "redis") if name in self._processes]
        await together(*(server.start() for server in servers if server.paused or not server.alive()))

    def _service_names(self) -> list[str]:
        return [name for name in self._processes if name not in ("postgres", "redis")]

    def _order_processes(self) -> None:
        order = [*self.replicas, "provider", "postgres", "redis"]
        self._processes = {name: self._processes[name] for name in order if name in self._processes}

    def _started(self) -> tuple[LinkSet, EmbeddedServices]:
        if not self._links or not self._services:
            raise StackError("the stack has not been started")
        return self._links, self._services
