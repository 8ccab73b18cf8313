"""The links of a stack; each is a chain `client -> relay -> Toxiproxy -> server`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial

from overbooked.descriptor import Descriptor
from overbooked.stacks.servers.toxiproxy_server import at_toxiproxy
from overbooked.toxiproxy.client import ToxiproxyClient
from overbooked.wire.gate.boundary import WireProtocol
from overbooked.wire.link import RelayLink
from overbooked.wire.relay import Relays

Address = tuple[str, int]
_SPOKEN = {"postgres": WireProtocol.POSTGRES, "redis": WireProtocol.REDIS}


@dataclass(frozen=True, slots=True)
class LinkPlan:
    """A planned link: its name and the part that it leads to (`app`, `app-2`, `postgres` ...).

    `spoken` is the protocol if the part's name does not determine it; `keeps_bookings` is true if the part is
    the store in which the system keeps its bookings.
    """

    name: str
    server: str
    spoken: WireProtocol | None = None
    keeps_bookings: bool = False

    @property
    def toxiproxy(self) -> str:
        """The proxy's name at Toxiproxy, without an arrow because it is part of URLs."""
        return self.name.replace("->", "-to-")

    @property
    def protocol(self) -> WireProtocol:
        """The protocol, by the part that the link leads to; services use HTTP."""
        return self.spoken or _SPOKEN.get(self.server, WireProtocol.HTTP)


def replica_names(count: int) -> tuple[str, ...]:
    """The names of the replicas: `app`, `app-2`, `app-3` ..."""
    return ("app", *(f"app-{n}" for n in range(2, count + 1)))


def plan_links(descriptor: Descriptor, replicas: Iterable[str]) -> tuple[LinkPlan, ...]:
    """Plan the links of a system: one `client->app` per replica; the replicas share the others."""
    links = [LinkPlan(f"client->{name}", name) for name in replicas]
    if descriptor.database:
        links.append(LinkPlan("app->postgres", "postgres", keeps_bookings=True))
    if descriptor.redis:
        links.append(LinkPlan("app->redis", "redis", keeps_bookings=descriptor.redis.store))
    if descriptor.service("payments"):
        links += [LinkPlan("app->payments", "payments"), LinkPlan("payments->app", "app")]
    return tuple(links)


class LinkSet:
    """The links of a stack; relays are opened first, so that addresses are known, and connected later.

    Args:
        relay_host: the host on which relays listen: loopback, or a container network's gateway.
        ports: fixed ports by link name; other links get a free port.
        listens: complete addresses by link name; they override host and port.
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
        # Set when every link has its proxy.
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
        client: ToxiproxyClient,
        servers: Mapping[str, Address],
        *,
        listen: Callable[[LinkPlan], str],
        reached_at: str | None = None,
    ) -> None:
        """Create each link's proxy; a repeated call, after a restart of Toxiproxy, uses the same addresses.

        Args:
            servers: the address of each part as Toxiproxy reaches it.
            listen: returns the `host:port` on which a link's proxy listens; port 0 for any free port.
            reached_at: the host at which the relay reaches the proxies if they listen on all interfaces.
        """
        for name, plan in self.plans.items():
            where = self._listens.setdefault(name, listen(plan))
            create = partial(client.create, plan.toxiproxy, _joined(servers[plan.server]), listen=where)
            host, _, port = (await at_toxiproxy(create)).listen.rpartition(":")
            # The port that was assigned for port 0 is requested again after a restart of Toxiproxy.
            self._listens[name] = f"{where.rpartition(':')[0]}:{port}"
            self._proxies[name] = (reached_at or host.strip("[]"), int(port))
        self.proxied.set()

    def lead(self, *names: str) -> None:
        """Connect the clients of these links (all links if none is named) to their proxies."""
        for name in names or self.plans:
            if name in self.links:
                self._relays.lead(self.links[name], self._proxies[name])

    def hold(self, *names: str) -> None:
        """Make new clients of these links wait until `lead` is called."""
        for name in names:
            if name in self.links:
                self._relays.lead(self.links[name], None)

    def address(self, name: str) -> Address:
        """The address to which clients of a link connect."""
        return self.links[name].address

    def close(self) -> None:
        """Reset open connections and stop listening; idempotent."""
        self._relays.close()


def _joined(address: Address) -> str:
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
