"""The external stack: a running system given by its URLs, with links for connections through the relay."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from urllib.parse import urlsplit

from overbooked.descriptor import Descriptor, External, split_address
from overbooked.errors import ConfigError, HarnessError, NotSupported, StackError
from overbooked.stacks.base.allowed_hosts import ensure_allowed
from overbooked.stacks.base.health import Probe, http_probe, wait_until_ready
from overbooked.stacks.base.links import Address, LinkPlan, LinkSet
from overbooked.stacks.base.part_failures import failure_of
from overbooked.stacks.base.paths import explain_full_disk, places
from overbooked.stacks.base.protocol import Process
from overbooked.stacks.base.running import StackBase
from overbooked.stacks.base.settings import StackSettings
from overbooked.stacks.processes.ownership import Ownership, sweep
from overbooked.stacks.processes.ports import PortLeases
from overbooked.stacks.processes.process import LocalProcess
from overbooked.stacks.servers.placeholders import LOOPBACK, url
from overbooked.stacks.servers.toxiproxy_server import at_toxiproxy, toxiproxy_process
from overbooked.wire.gate.boundary import WireProtocol

_DEFAULT_PORTS = {"http": 80, "https": 443}
_SPOKEN = {
    "postgres": WireProtocol.POSTGRES,
    "redis": WireProtocol.REDIS,
    "payments": WireProtocol.HTTP,
    "app": WireProtocol.HTTP,
}
_USUAL_PORTS = {5432: WireProtocol.POSTGRES, 6432: WireProtocol.POSTGRES, 6379: WireProtocol.REDIS}


class ExternalStack(StackBase):
    """A running system that was not started here; satisfies `overbooked.stacks.base.protocol.Stack`.

    `client->app` has a link if the service is reached by plain HTTP (with TLS, its certificate would not
    match the relay's address); other connections have one only if `[external.links]` names them. The stack
    has no processes that can be killed, and it cannot be renewed.

    Raises:
        ConfigError: neither settings nor descriptor has an `[external]` table, or a mutant is requested.
    """

    kind = "external"

    def __init__(self, descriptor: Descriptor, settings: StackSettings, *, mutant: str | None = None) -> None:
        if mutant:
            raise ConfigError(
                f"a running system cannot serve the mutant {mutant}; without a mutant there is no "
                'canary: set canary = "" in overbooked.toml, and canary = false in the gate policy'
            )
        external = settings.external or descriptor.external
        if external is None:
            raise ConfigError(
                f"--stack external needs the running system's URLs: [external] urls in the descriptor of "
                f"{descriptor.name}, or [stack.external] urls in overbooked.toml"
            )
        super().__init__(descriptor, settings)
        self.mutant: str | None = None
        self.processes: Mapping[str, Process] = {}
        self.urls: Mapping[str, str] = {name: text.rstrip("/") for name, text in external.urls.items()}
        self.dsns: Mapping[str, str] = dict(external.dsns)
        self.replicas: Sequence[str] = tuple(
            name for name in external.urls if name == "app" or name.startswith("app-")
        )
        self.client_url = self.urls["app"]
        self._external: External = external
        self._leases = PortLeases(LOOPBACK)
        self._toxiproxy: LocalProcess | None = None

    async def start(self) -> None:
        """Check that faults may target the hosts, open the links, then wait until the system answers.

        Raises:
            HostNotAllowed: a host is neither loopback nor in `[stack] allow_hosts`.
            StackError: the system does not answer, or a link cannot be opened.
        """
        upstreams = self._upstreams()
        self._ensure_allowed(upstreams)
        try:
            # Links are opened first, because the service's health check may use the database through a link.
            with explain_full_disk():
                await self._open(upstreams)
            for name in self.replicas:
                await wait_until_ready(name, self._probe(name), timeout_s=self._settings.health_timeout_s)
        except BaseException:
            await self.close()
            raise

    async def renew(self, *, mutant: str | None) -> None:
        """Remove the toxics; the running system itself is not renewed.

        Raises:
            NotSupported: a mutant is requested.
        """
        if mutant:
            raise NotSupported(f"a running system cannot serve the mutant {mutant}")
        await self.heal()

    async def heal(self) -> None:
        """Remove every toxic."""
        if self._toxiproxy and self._links:
            if not self._toxiproxy.alive():
                await self._toxiproxy.start()
                await self._make_proxies(self._links, self._upstreams())
            await at_toxiproxy(self._toxiproxy_client().reset)

    async def check(self) -> None:
        """Raise if the system no longer answers.

        Raises:
            StackError: the system does not answer; either it or the network may have failed.
            PartDied: the stack's Toxiproxy ended on its own.
        """
        for name in self.replicas:
            if missing := await self._probe(name)():
                raise StackError(f"{name} does not answer: {missing}", part=name)
        if self._toxiproxy and (end := self._toxiproxy.how_it_ended()):
            raise failure_of(self._toxiproxy, end, replicas=self.replicas)

    def log_tail(self, process: str, lines: int = 40) -> list[str]:
        """The last lines of Toxiproxy's log; the logs of other parts are not available."""
        return self._toxiproxy.log_tail(lines) if process == "toxiproxy" and self._toxiproxy else []

    # -- parts ---------------------------------------------------------------------------------

    async def _open(self, upstreams: Mapping[str, Address]) -> None:
        if not upstreams:
            return
        where = places(self._settings)
        sweep(where.stacks)
        ownership = Ownership.found(where.stacks)
        self._own_folder(ownership)
        port = self._leases.take("toxiproxy", self._settings.ports.get("toxiproxy", 0))
        self.toxiproxy_url = url((LOOPBACK, port))
        process = self._toxiproxy = toxiproxy_process(self._settings, ownership, (LOOPBACK, port))
        listens = {name: self._listen(name) for name in upstreams}
        links = self._links = LinkSet(
            [self._plan(name, upstream) for name, upstream in upstreams.items()],
            listens={name: at for name, at in listens.items() if at},
        )
        await process.start()
        self.versions["Toxiproxy"] = await at_toxiproxy(self._toxiproxy_client().version)
        await self._make_proxies(links, upstreams)
        links.lead()
        if "client->app" in links.links:
            self.client_url = url(links.address("client->app")) + urlsplit(self.urls["app"]).path

    async def _make_proxies(self, links: LinkSet, upstreams: Mapping[str, Address]) -> None:
        await links.make_proxies(
            self._toxiproxy_client(),
            upstreams,
            listen=lambda plan: f"{LOOPBACK}:{self._leases.take(plan.toxiproxy)}",
        )

    def _upstreams(self) -> dict[str, Address]:
        """The upstream address of each link, by link name."""
        found = {
            f"client->{name}": _address(self.urls[name])
            for name in self.replicas
            if urlsplit(self.urls[name]).scheme == "http"
        }
        found.update({name: split_address(link.upstream) for name, link in self._external.links.items()})
        return found

    def _plan(self, name: str, upstream: Address) -> LinkPlan:
        spoken = self._spoken(name, upstream)
        redis = self._descriptor.redis
        in_redis = spoken is WireProtocol.REDIS and redis is not None and redis.store
        keeps = name.startswith("app->") and (spoken is WireProtocol.POSTGRES or in_redis)
        return LinkPlan(name, name, spoken, keeps_bookings=keeps)

    def _spoken(self, name: str, upstream: Address) -> WireProtocol:
        """The protocol of a link: as declared, else by its name, the URLs and DSNs, or a well-known port.

        Raises:
            ConfigError: none of these determines it.
        """
        link = self._external.links.get(name)
        if link and link.protocol:
            return WireProtocol(link.protocol)
        server = name.rpartition("->")[2]
        if server in _SPOKEN:
            return _SPOKEN[server]
        if server in self.urls or upstream in [_address(text) for text in self.urls.values()]:
            return WireProtocol.HTTP
        listen = self._listen(name)
        if any(_host_and_port(dsn) in (upstream, listen) for dsn in self.dsns.values()):
            return WireProtocol.POSTGRES
        if upstream[1] in _USUAL_PORTS:
            return _USUAL_PORTS[upstream[1]]
        raise ConfigError(
            f"[external.links] {name!r}: its protocol is unknown; add "
            'protocol = "postgres", "redis", "http" or "raw"'
        )

    def _listen(self, name: str) -> Address | None:
        link = self._external.links.get(name)
        return split_address(link.listen) if link else None

    def _ensure_allowed(self, upstreams: Mapping[str, Address]) -> None:
        allow = self._settings.allow_hosts
        for name, text in self.urls.items():
            ensure_allowed(_address(text)[0], allow, purpose=f"a run against {name}")
        for name, address in upstreams.items():
            ensure_allowed(address[0], allow, purpose=f"the link {name}")
        for name in self._external.links:
            if listen := self._listen(name):
                ensure_allowed(listen[0], allow, purpose=f"listening for the link {name}")

    def _probe(self, name: str) -> Probe:
        parts = urlsplit(self.urls[name])
        service = self._descriptor.service("app")
        host, port = _address(self.urls[name])
        health = self._external.health or (service.health if service else None)
        path = parts.path + (health or "/")
        return http_probe(host, port, path, tls=parts.scheme == "https", any_answer=health is None)

    def _dispose(self) -> None:
        if self._links:
            self._links.close()
        if self._toxiproxy:
            with suppress(HarnessError):
                self._toxiproxy.kill()
        self._leases.release()
        self._remove_folder()


def _host_and_port(dsn: str) -> Address:
    parts = urlsplit(dsn)
    return parts.hostname or "", parts.port or 5432


def _address(text: str) -> Address:
    parts = urlsplit(text)
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
        raise ConfigError(f"[external] urls: {text!r} is not an http or https URL")
    return parts.hostname, parts.port or _DEFAULT_PORTS[parts.scheme]
