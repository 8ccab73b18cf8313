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
from testcontainers.core.network import Network

from harness.errors import HarnessError, StackError
from harness.stacks import database as db
from harness.stacks import guard
from harness.stacks.container import ContainerProcess
from harness.stacks.container_images import ImageNames, resolve_images
from harness.stacks.container_network import make_network
from harness.stacks.container_place import Place, Sandbox, Spot
from harness.stacks.database import SUPERUSER
from harness.stacks.deaths import cause_first, gates_word_first, own_death
from harness.stacks.docker_owned import labels, remove_stack, sweep_containers
from harness.stacks.health import Probe, http_probe
from harness.stacks.links import Address, LinkSet, plan_links, replica_names
from harness.stacks.ownership import Ownership, sweep
from harness.stacks.paths import explained, places
from harness.stacks.placeholders import LOOPBACK, direct_dsns, link_values, url
from harness.stacks.ports import PortLeases
from harness.stacks.process import ready_at_once
from harness.stacks.redis_server import redis_command, redis_probe
from harness.stacks.settings import StackSettings
from harness.stacks.together import together
from harness.stacks.toxiproxy import ToxiproxyApi
from harness.targets.descriptor import Descriptor, Service, fill_command, fill_env
from harness.wire.link import RelayLink

_DATABASE_LINK = "app->postgres"
# Ports inside the containers, where nobody else can be.
_INSIDE = {"postgres": 5432, "redis": 6379, "toxiproxy": 8474}
_SERVICE_PORT = 8000
_POSTGRES_OPTIONS = ("-c", "fsync=off")


class ContainersStack:
    """One running system in containers; satisfies `harness.stacks.protocol.Stack`.

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
        self._network: Network | None = None
        self._sandboxes: dict[str, Sandbox] = {}
        self._images: ImageNames | None = None
        self._leases = PortLeases(LOOPBACK)
        self._published: dict[str, int] = {}
        self._inside: dict[str, str] = {}
        self._links: LinkSet | None = None
        self._credentials: db.Credentials | None = None
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
        gateway = await asyncio.to_thread(self._make_network)
        links = self._links = LinkSet(
            plan_links(self._descriptor, self.replicas), relay_host=gateway, ports=self._settings.ports
        )
        for part in self._parts():
            self._published[part] = self._leases.take(part, self._settings.ports.get(part, 0))
        database = self._descriptor.database
        if database:
            self._credentials = db.Credentials.generated(database)
            self.dsns = direct_dsns(database, self._credentials, self._reached("postgres"), SUPERUSER)
        self._values = {
            **link_values(
                self._descriptor,
                {name: links.address(name) for name in links.plans},
                self._credentials,
                self._redis_password,
            ),
            "python": "python",
        }
        if database and self._credentials:
            self._values["owner_url"] = self._credentials.dsn(
                database.owner, self._in_network("postgres"), database.name
            )
        names = (*self.replicas, *self._providers())
        self.urls = {name: url(self._reached(name)) for name in names}
        self.client_url = url(links.address("client->app"))
        self.toxiproxy_url = url(self._reached("toxiproxy"))
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
        if self._network is not None:
            with suppress(HarnessError):
                remove_stack(self.id)
            self._network = None
        self._sandboxes.clear()
        self._processes, self._toxiproxy = {}, None
        self._leases.release()
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

    def _reached(self, part: str) -> Address:
        return (LOOPBACK, self._published[part])

    def _in_network(self, part: str) -> Address:
        return (self._inside[part], _INSIDE.get(part, _SERVICE_PORT))

    def _make_network(self) -> str:
        """Make the stack's network with fixed addresses in it; returns its gateway.

        Names would do, but a lookup can stand still for seconds where the engine asks a name server
        that does not answer, and a container that is started again may get another address.
        """
        self._network, gateway, addresses = make_network(labels(self.id))
        self._inside = dict(zip(["once", *self._parts()], addresses, strict=False))
        return gateway

    def _make(
        self,
        name: str,
        image: str,
        probe: Probe,
        command: Sequence[str] = (),
        env: Mapping[str, str] | None = None,
    ) -> ContainerProcess:
        return ContainerProcess(
            name,
            image,
            command=command,
            env=env,
            place=self._place(name),
            labels=labels(self.id),
            probe=probe,
            timeout_s=self._settings.health_timeout_s,
        )

    def _place(self, name: str) -> Place:
        """Where a part stands; what may be killed and started anew keeps its place."""
        assert self._network is not None
        assert self._images is not None
        if name not in self._published:
            return Spot(name, self._network, self._inside["once"])
        ports = {_INSIDE.get(name, _SERVICE_PORT): self._published[name]}
        spot = Spot(name, self._network, self._inside[name], ports)
        if name == "toxiproxy":
            return spot
        return self._sandboxes.setdefault(name, Sandbox(spot, self._sandbox_image, labels(self.id)))

    @property
    def _sandbox_image(self) -> str:
        """One that is here in any case, and has more in it than the one program it is for."""
        assert self._images is not None
        return self._images.postgres or self._images.redis or self._images.app

    async def _start_toxiproxy(self, links: LinkSet) -> None:
        assert self._images
        api = ToxiproxyApi(self.toxiproxy_url)
        probe = http_probe(*self._reached("toxiproxy"), "/version")
        process = self._toxiproxy = self._make("toxiproxy", self._images.toxiproxy, probe)
        await process.start()
        self.versions["Toxiproxy"] = await api.version()
        await self._make_proxies(links, api)
        links.lead(*(name for name in links.plans if name != _DATABASE_LINK))

    async def _make_proxies(self, links: LinkSet, api: ToxiproxyApi) -> None:
        assert self._toxiproxy
        servers = {part: self._in_network(part) for part in self._parts()}
        await links.make_proxies(
            api, servers, listen=lambda _: "0.0.0.0:0", reached_at=self._inside["toxiproxy"]
        )

    async def _start_database(self, prepared: asyncio.Event) -> None:
        database = self._descriptor.database
        if database and self._credentials and self._images:
            process = self._processes["postgres"] = self._make(
                "postgres",
                self._images.postgres,
                db.postgres_probe(lambda: self._admin_dsn),
                ["postgres", *_POSTGRES_OPTIONS, "-c", f"max_connections={self._settings.max_connections}"],
                {
                    "POSTGRES_USER": SUPERUSER,
                    "POSTGRES_PASSWORD": self._credentials.passwords[SUPERUSER],
                    "POSTGRES_DB": "postgres",
                },
            )
            await process.start()
            self.versions["PostgreSQL"] = await db.server_version(self._admin_dsn)
            async with db.connection(self._admin_dsn) as admin:
                await db.create_roles(admin, database, self._credentials)
                await db.create_empty_template(admin, database)
            template = self._credentials.dsn(
                database.owner, self._in_network("postgres"), db.template_name(database)
            )
            await self._run_once("migrate", database.migrate, database.migrate_env, {"owner_url": template})
            async with db.connection(self._admin_dsn) as admin:
                await db.seal_template(admin, database)
            await self._renew_database()
        prepared.set()

    @property
    def _admin_dsn(self) -> str:
        assert self._credentials
        return self._credentials.dsn(SUPERUSER, self._reached("postgres"), "postgres")

    async def _renew_database(self) -> None:
        database, links = self._descriptor.database, self._started()
        if database is None:
            return
        await db.clone(self._admin_dsn, database)
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
        if self._descriptor.redis and self._images:
            process = self._processes["redis"] = self._make(
                "redis",
                self._images.redis,
                redis_probe(self._reached("redis"), self._redis_password),
                # The image's own command with a password; its port is published on loopback only.
                ["redis-server", "--save", "", "--appendonly", "no", "--requirepass", self._redis_password],
            )
            await process.start()
            host, port = self._reached("redis")
            async with Redis(host=host, port=port, password=self._redis_password) as client:
                self.versions["Redis"] = str((await client.info("server"))["redis_version"])

    async def _flush_redis(self) -> None:
        if "redis" in self._processes:
            answer = await redis_command(self._reached("redis"), self._redis_password, "FLUSHALL")
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
        provider = self._descriptor.service("provider")
        is_provider = name == "provider" and provider is not None
        service: Service = provider if is_provider and provider else self._descriptor.app
        values = {**self._values, "host": "0.0.0.0", "port": _SERVICE_PORT, "data_dir": "/data"}  # noqa: S104
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
            http_probe(*self._reached(name), service.health),
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
