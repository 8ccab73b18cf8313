"""The links of a stack: which there are, and each one's way `client -> relay -> Toxiproxy -> server`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from overbooked.descriptor import Descriptor
from overbooked.stacks.servers.toxiproxy_server import ToxiproxyApi
from overbooked.wire.gate.boundary import WireProtocol
from overbooked.wire.link import RelayLink
from overbooked.wire.relay import Relays

Address = tuple[str, int]
_SPOKEN = {"postgres": WireProtocol.POSTGRES, "redis": WireProtocol.REDIS}


@dataclass(frozen=True, slots=True)
class LinkPlan:
    """A link to be: its name and the part of the stack it leads to (`app`, `app-2`, `postgres` ...).

    `spoken` is what is spoken on it, where the part's name does not say so; `keeps_bookings`, whether
    the part is the store in which the system keeps its bookings.
    """

    name: str
    server: str
    spoken: WireProtocol | None = None
    keeps_bookings: bool = False

    @property
    def toxiproxy(self) -> str:
        """The proxy's name at Toxiproxy; it stands in URLs, so without the arrow."""
        return self.name.replace("->", "-to-")

    @property
    def protocol(self) -> WireProtocol:
        """What is spoken on it, by the part it leads to; services speak HTTP."""
        return self.spoken or _SPOKEN.get(self.server, WireProtocol.HTTP)


def replica_names(count: int) -> tuple[str, ...]:
    """`app`, `app-2`, `app-3` ..."""
    return ("app", *(f"app-{n}" for n in range(2, count + 1)))


def plan_links(descriptor: Descriptor, replicas: Iterable[str]) -> tuple[LinkPlan, ...]:
    """The links of a system: one `client->app` for each replica, the others shared by all."""
    links = [LinkPlan(f"client->{name}", name) for name in replicas]
    if descriptor.database:
        links.append(LinkPlan("app->postgres", "postgres", keeps_bookings=True))
    if descriptor.redis:
        links.append(LinkPlan("app->redis", "redis", keeps_bookings=descriptor.redis.store))
    if descriptor.service("provider"):
        links += [LinkPlan("app->provider", "provider"), LinkPlan("provider->app", "app")]
    return tuple(links)


class LinkSet:
    """Opens the relays at once, so that every address is known, and leads them when servers are there.

    Args:
        relay_host: where relays listen: loopback, or a container network's gateway.
        ports: fixed ports by link name; any free one for the others.
        listens: whole addresses by link name; they go before host and port.
    """

    def __init__(
        self,
        plans: Iterable[LinkPlan],
        *,
        relay_host: str = "127.0.0.1",
        ports: Mapping[str, int] | None = None,
        listens: Mapping[str, Address] | None = None,
    ) -> None:
        self.plans = {plan.name: plan for plan in plans}
        self._relays = Relays()
        self._proxies: dict[str, Address] = {}
        self._listens: dict[str, str] = {}
        self.links: dict[str, RelayLink] = {}
        # Set once every link has its proxy.
        self.proxied = asyncio.Event()
        try:
            for plan in self.plans.values():
                usual = (relay_host, (ports or {}).get(plan.name, 0))
                host, port = (listens or {}).get(plan.name, usual)
                self.links[plan.name] = self._relays.open(
                    plan.name, toxiproxy=plan.toxiproxy, host=host, port=port, protocol=plan.protocol
                )
                self.links[plan.name].keeps_bookings = plan.keeps_bookings
        except BaseException:
            self.close()
            raise

    async def make_proxies(
        self,
        api: ToxiproxyApi,
        servers: Mapping[str, Address],
        *,
        listen: Callable[[LinkPlan], str],
        reached_at: str | None = None,
    ) -> None:
        """Create each link's proxy; made again (after a restart of Toxiproxy) they listen where they did.

        Args:
            servers: address of each part as Toxiproxy reaches it.
            listen: `host:port` that a link's proxy listens on; port 0 for any.
            reached_at: the host by which our side reaches Toxiproxy, where it listens on all of its own.
        """
        for name, plan in self.plans.items():
            where = self._listens.setdefault(name, listen(plan))
            host, port = await api.create(plan.toxiproxy, servers[plan.server], where)
            # What a port 0 became; it is asked for again when Toxiproxy is started again.
            self._listens[name] = f"{where.rpartition(':')[0]}:{port}"
            self._proxies[name] = (reached_at or host, port)
        self.proxied.set()

    def lead(self, *names: str) -> None:
        """Let clients of these links (all when none is named) through to their proxies."""
        for name in names or self.plans:
            if name in self.links:
                self._relays.lead(self.links[name], self._proxies[name])

    def hold(self, *names: str) -> None:
        """Let new clients of these links wait until `lead`."""
        for name in names:
            if name in self.links:
                self._relays.lead(self.links[name], None)

    def address(self, name: str) -> Address:
        """Where clients of a link connect."""
        return self.links[name].address

    def close(self) -> None:
        """Reset what is open and stop listening; idempotent."""
        self._relays.close()
