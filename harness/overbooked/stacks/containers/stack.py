"""The containers stack: real PostgreSQL, Redis and Toxiproxy, provider and service from their images.

    client -> relay (here, at the network's gateway) -> Toxiproxy -> server

Containers know each other by name; ours reach the relays at the gateway of the stack's own network,
and those listen nowhere else. What the harness itself must reach is published on loopback.
"""

from __future__ import annotations

import asyncio
import platform
import secrets
from collections.abc import Mapping, Sequence
from contextlib import suppress

from redis.asyncio import Redis
from testcontainers.core.config import testcontainers_config

from overbooked.descriptor import Descriptor, Service, fill_command, fill_env
from overbooked.errors import HarnessError, StackError
from overbooked.stacks.base.health import Probe, http_probe
from overbooked.stacks.base.links import LinkSet, plan_links, replica_names
from overbooked.stacks.base.part_failures import cause_first, gates_word_first, own_death
from overbooked.stacks.base.paths import explained, places
from overbooked.stacks.base.settings import StackSettings
from overbooked.stacks.containers.cleanup import labels, remove_stack, sweep_containers
from overbooked.stacks.containers.container import ContainerProcess
from overbooked.stacks.containers.database import ContainerDatabase
from overbooked.stacks.containers.images import ImageNames, resolve_images
from overbooked.stacks.containers.site import SERVICE_PORT, Site
from overbooked.stacks.processes import atexit_guard as guard
from overbooked.stacks.processes.ownership import Ownership, sweep
from overbooked.stacks.processes.process import ready_at_once
from overbooked.stacks.servers.placeholders import link_values, url
from overbooked.stacks.servers.redis_server import redis_command, redis_probe
from overbooked.stacks.servers.toxiproxy_server import ToxiproxyApi
from overbooked.stacks.together import together
from overbooked.wire.link import RelayLink

_DATABASE_LINK = "app->postgres"


class ContainersStack:
    """One running system in containers; satisfies `overbooked.stacks.base.protocol.Stack`.

    Args:
        descriptor: the system; its services name the Dockerfiles their images come from.
        settings: the `[stack]` table; `[stack.images]` names the images.
        mutant: the seeded defect to serve, None for the healthy system.
    """

    kind = "containers"

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
        self._ownership: Ownership | None = None
        self._processes: dict[str, ContainerProcess] = {}
        self._toxiproxy: ContainerProcess | None = None
        self._site: Site | None = None
        self._images: ImageNames | None = None
        self._links: LinkSet | None = None
        self._database: ContainerDatabase | None = None
        self._values: dict[str, object] = {}
        self._redis_password = secrets.token_hex(16)

    # -- what it is made of --------------------------------------------------------------------

    @property
    def links(self) -> Mapping[str, RelayLink]:
        return self._links.links if self._links else {}

    @property
    def processes(self) -> Mapping[str, ContainerProcess]:
        return self._processes

    def log_tail(self, process: str, lines: int = 40) -> list[str]:
        """The last lines of a part's log; `toxiproxy` has one too."""
        part = self._toxiproxy if process == "toxiproxy" else self._processes.get(process)
        return part.log_tail(lines) if part else []

    # -- its life ------------------------------------------------------------------------------

    async def __aenter__(self) -> ContainersStack:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def start(self) -> None:
        """Start everything; returns when all parts are healthy.

        Raises:
            UsageError: no Docker engine answers, or an image can be had neither here nor elsewhere.
            StackError: a part did not start; nothing is left behind.
        """
        try:
            with explained():
                images = await asyncio.to_thread(resolve_images, self._descriptor, self._settings)
                async with asyncio.timeout(self._settings.start_timeout_s):
                    with (
                        cause_first(self._everything, replicas=self.replicas),
                        gates_word_first(lambda: self.links),
                    ):
                        await self._start(images)
        except TimeoutError as error:
            await self.close()
            raise StackError(
                f"the stack was not up within {self._settings.start_timeout_s:g} s ([stack] start_timeout_s)"
            ) from error
        except BaseException:
            await self.close()
            raise

    async def _start(self, images: ImageNames) -> None:
        where = places(self._settings)
        sweep(where.stacks)
        await asyncio.to_thread(sweep_containers)
        self._images = images
        ownership = self._ownership = Ownership.found(where.stacks)
        self.id = ownership.id
        guard.protect(self.id, self._dispose)
        testcontainers_config.ryuk_disabled = not self._settings.images.reaper
        if self._settings.images.reaper:
            testcontainers_config.ryuk_image = self._settings.images.reaper
        site = self._site = Site(self._parts(), labels=labels(self.id), ports=self._settings.ports)
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
        self.versions = {"Python": platform.python_version(), **images.as_versions()}
        prepared = asyncio.Event()
        await together(
            self._start_toxiproxy(links),
            self._start_database(prepared),
            self._start_redis(),
            self._start_services(self._providers()),
            self._start_app(prepared),
        )
        order = [*self.replicas, "provider", "postgres", "redis"]
        self._processes = {name: self._processes[name] for name in order if name in self._processes}

    async def renew(self, *, mutant: str | None) -> None:
        """Fresh database, Redis and provider; the service started anew, with the mutant if one is named.

        Raises:
            StackError: a part did not come up.
        """
        links = self._started()
        self.mutant = mutant
        for name in (*self.replicas, *self._providers()):
            await asyncio.to_thread(self._processes[name].remove)
        await self._heal_infrastructure()
        links.hold(_DATABASE_LINK)
        with cause_first(self._everything, replicas=self.replicas):
            await together(
                self._renew_database(),
                self._flush_redis(),
                self._start_services(self._providers()),
                self._start_services(self.replicas),
            )

    async def heal(self) -> None:
        """Remove every toxic, resume what is paused, restart what is dead."""
        self._started()
        await self._heal_infrastructure()
        names = (*self.replicas, *self._providers())
        with cause_first(self._everything, replicas=self.replicas):
            await together(*(self._processes[name].start() for name in names if self._down(name)))

    async def check(self) -> None:
        """Say when a part has died that no fault of ours took down.

        Raises:
            SystemDied: the service ended on its own.
            PartDied: another part did.
        """
        for process in self._everything():
            if end := await asyncio.to_thread(process.how_it_ended):
                raise own_death(process, end, replicas=self.replicas)

    async def close(self) -> None:
        """Remove every container, the network and the stack's folder; idempotent."""
        self._dispose()

    def _dispose(self) -> None:
        if self._links:
            self._links.close()
        if self._site and self._site.made:
            with suppress(HarnessError):
                remove_stack(self.id)
        self._processes, self._toxiproxy = {}, None
        if self._site:
            self._site.release()
        if self._ownership:
            self._ownership.remove()
            guard.unprotect(self._ownership.id)

    # -- its parts -----------------------------------------------------------------------------

    def _providers(self) -> tuple[str, ...]:
        return ("provider",) if self._descriptor.service("provider") else ()

    def _parts(self) -> list[str]:
        parts = ["toxiproxy", *self.replicas, *self._providers()]
        parts += ["postgres"] if self._descriptor.database else []
        parts += ["redis"] if self._descriptor.redis else []
        return parts

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
        """One that is here in any case, and has more in it than the one program it is for."""
        assert self._images is not None
        return self._images.postgres or self._images.redis or self._images.app

    async def _start_toxiproxy(self, links: LinkSet) -> None:
        assert self._images
        assert self._site
        api = ToxiproxyApi(self.toxiproxy_url)
        probe = http_probe(*self._site.reached("toxiproxy"), "/version")
        process = self._toxiproxy = self._make("toxiproxy", self._images.toxiproxy, probe)
        await process.start()
        self.versions["Toxiproxy"] = await api.version()
        await self._make_proxies(links, api)
        links.lead(*(name for name in links.plans if name != _DATABASE_LINK))

    async def _make_proxies(self, links: LinkSet, api: ToxiproxyApi) -> None:
        assert self._site
        servers = {part: self._site.in_network(part) for part in self._site.parts}
        await links.make_proxies(
            api, servers, listen=lambda _: "0.0.0.0:0", reached_at=self._site.address("toxiproxy")
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
        links.lead(_DATABASE_LINK)

    async def _run_once(
        self, name: str, command: Sequence[str], env: Mapping[str, str], values: Mapping[str, object]
    ) -> None:
        """Run a command of the service's image to its end, in the stack's network."""
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

    async def _start_app(self, prepared: asyncio.Event) -> None:
        await prepared.wait()
        await self._start_services(self.replicas)

    async def _start_services(self, names: Sequence[str]) -> None:
        async def fresh(name: str) -> None:
            process = self._processes[name] = self._make_service(name)
            await process.start()

        await together(*(fresh(name) for name in names))

    def _make_service(self, name: str) -> ContainerProcess:
        assert self._images
        assert self._site
        provider = self._descriptor.service("provider")
        is_provider = name == "provider" and provider is not None
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
            self._images.provider if is_provider else self._images.app,
            http_probe(*self._site.reached(name), service.health),
            fill_command(command, values),
            fill_env(service.env, values),
        )

    async def _heal_infrastructure(self) -> None:
        links = self._started()
        assert self._toxiproxy
        api = ToxiproxyApi(self.toxiproxy_url)
        if self._down("toxiproxy"):
            await self._toxiproxy.start()
            await self._make_proxies(links, api)
            links.lead()
        await api.reset()
        await together(*(self._processes[n].start() for n in ("postgres", "redis") if self._down(n)))

    def _down(self, name: str) -> bool:
        part = self._toxiproxy if name == "toxiproxy" else self._processes.get(name)
        return part is not None and (part.paused or not part.alive())

    def _everything(self) -> list[ContainerProcess]:
        return [*self._processes.values(), *([self._toxiproxy] if self._toxiproxy else [])]

    def _started(self) -> LinkSet:
        if not self._links:
            raise StackError("the stack has not been started")
        return self._links
