"""The site of a containers stack: its network, the addresses and ports of its parts, their sandboxes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from testcontainers.core.network import Network

from overbooked.stacks.base.links import Address
from overbooked.stacks.containers.network import make_network
from overbooked.stacks.containers.placement import Place, Sandbox, Spot
from overbooked.stacks.processes.ports import PortLeases
from overbooked.stacks.servers.placeholders import LOOPBACK

# Ports inside the containers, where nobody else can be.
SERVICE_PORT = 8000
_INSIDE = {"postgres": 5432, "redis": 6379, "toxiproxy": 8474}
# Its own life is that of the stack.
_NEVER_STARTED_ANEW = frozenset({"toxiproxy"})


class Site:
    """Where the parts of one stack stand. Addresses stay, whatever is started anew.

    Names would do, but a lookup can stand still for seconds where the engine asks a name server that
    does not answer, and a container that is started again may get another address.

    Args:
        parts: names of what stays; what is run once shares one more address.
        labels: whose network and sandboxes these are; by them they are found and removed.
        ports: fixed ports on loopback, by part.
    """

    def __init__(self, parts: Sequence[str], *, labels: Mapping[str, str], ports: Mapping[str, int]) -> None:
        self.parts = tuple(parts)
        self.gateway = ""
        self._labels = dict(labels)
        self._network: Network | None = None
        self._inside: dict[str, str] = {}
        self._sandboxes: dict[str, Sandbox] = {}
        self._leases = PortLeases(LOOPBACK)
        self._ports = dict(ports)
        self._published: dict[str, int] = {}

    def make(self) -> None:
        """Lease the ports and make the network; blocks.

        Raises:
            UsageError: no Docker engine answers.
            StackError: a port is occupied, or the engine makes no network.
        """
        for part in self.parts:
            self._published[part] = self._leases.take(part, self._ports.get(part, 0))
        self._network, self.gateway, addresses = make_network(self._labels)
        self._inside = dict(zip(["once", *self.parts], addresses, strict=False))

    @property
    def made(self) -> bool:
        """Whether there is a network."""
        return self._network is not None

    def release(self) -> None:
        """Forget it all and give the ports back; who removes the stack's containers removes the network."""
        self._network = None
        self._sandboxes.clear()
        self._leases.release()

    def reached(self, part: str) -> Address:
        """Where the harness reaches a part: a port published on loopback."""
        return (LOOPBACK, self._published[part])

    def address(self, part: str) -> str:
        """A part's own address in the network."""
        return self._inside[part]

    def in_network(self, part: str) -> Address:
        """Where other containers reach a part."""
        return (self._inside[part], _INSIDE.get(part, SERVICE_PORT))

    def place(self, name: str, *, image: str) -> Place:
        """Where a part stands; what may be killed and started anew keeps its place.

        Args:
            image: of a sandbox, if one is needed.
        """
        assert self._network is not None
        if name not in self._published:
            return Spot(name, self._network, self._inside["once"])
        ports = {_INSIDE.get(name, SERVICE_PORT): self._published[name]}
        spot = Spot(name, self._network, self._inside[name], ports)
        if name in _NEVER_STARTED_ANEW:
            return spot
        return self._sandboxes.setdefault(name, Sandbox(spot, image, self._labels))
