"""The links of a stack: which there are, and each one's way `client -> relay -> Toxiproxy -> server`."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from harness.stacks.toxiproxy import ToxiproxyApi
from harness.targets.descriptor import Descriptor
from harness.wire.link import RelayLink
from harness.wire.relay import Relays

Address = tuple[str, int]


@dataclass(frozen=True, slots=True)
class LinkPlan:
    """A link to be: its name and the part of the stack it leads to (`app`, `app-2`, `postgres` ...)."""

    name: str
    server: str

    @property
    def toxiproxy(self) -> str:
        """The proxy's name at Toxiproxy; it stands in URLs, so without the arrow."""
        return self.name.replace("->", "-to-")


def replica_names(count: int) -> tuple[str, ...]:
    """`app`, `app-2`, `app-3` ..."""
    return ("app", *(f"app-{n}" for n in range(2, count + 1)))


def plan_links(descriptor: Descriptor, replicas: Iterable[str]) -> tuple[LinkPlan, ...]:
    """The links of a system: one `client->app` for each replica, the others shared by all."""
    links = [LinkPlan(f"client->{name}", name) for name in replicas]
    if descriptor.database:
        links.append(LinkPlan("app->postgres", "postgres"))
    if descriptor.redis:
        links.append(LinkPlan("app->redis", "redis"))
    if descriptor.service("provider"):
        links += [LinkPlan("app->provider", "provider"), LinkPlan("provider->app", "app")]
    return tuple(links)


class LinkSet:
    """Opens the relays at once, so that every address is known, and leads them when servers are there.

    Args:
        relay_host: where relays listen: loopback, or a container network's gateway.
        ports: fixed ports by link name; any free one for the others.
    """

    def __init__(
        self,
        plans: Iterable[LinkPlan],
        *,
        relay_host: str = "127.0.0.1",
        ports: Mapping[str, int] | None = None,
    ) -> None:
        self.plans = {plan.name: plan for plan in plans}
        self._relays = Relays()
        self._proxies: dict[str, Address] = {}
        self.links: dict[str, RelayLink] = {}
        # Set once every link has its proxy.
        self.proxied = asyncio.Event()
        try:
            for plan in self.plans.values():
                self.links[plan.name] = self._relays.open(
                    plan.name, toxiproxy=plan.toxiproxy, host=relay_host, port=(ports or {}).get(plan.name, 0)
                )
        except BaseException:
            self.close()
            raise

    async def make_proxies(
        self,
        api: ToxiproxyApi,
        servers: Mapping[str, Address],
        *,
        listen: str = "127.0.0.1:0",
        as_seen: Mapping[str, Address] | None = None,
    ) -> None:
        """Create each link's proxy; made again (after a restart of Toxiproxy) they listen where they did.

        Args:
            servers: address of each part as Toxiproxy reaches it.
            listen: what proxies listen on, port 0 for any.
            as_seen: where our side reaches the proxies, by link, when that differs (published ports).
        """
        for name, plan in self.plans.items():
            before = self._proxies.get(name)
            where = f"{before[0]}:{before[1]}" if before else listen
            self._proxies[name] = await api.create(plan.toxiproxy, servers[plan.server], where)
        if as_seen:
            self._proxies.update(as_seen)
        self.proxied.set()

    def bypass(self, name: str, servers: Mapping[str, Address]) -> None:
        """Lead a link straight to its server, past Toxiproxy."""
        self._proxies[name] = servers[self.plans[name].server]
        self.lead(name)
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
