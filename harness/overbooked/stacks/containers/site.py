"""The network of a containers stack, with the addresses, ports and sandboxes of its parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from testcontainers.core.network import Network

from overbooked.stacks.base.links import Address
from overbooked.stacks.containers.network import make_network
from overbooked.stacks.containers.placement import DirectPlacement, Placement, SandboxPlacement
from overbooked.stacks.processes.ports import PortLeases
from overbooked.stacks.servers.placeholders import LOOPBACK

# Ports within the containers, in which no other program listens.
SERVICE_PORT = 8000
_INSIDE = {"postgres": 5432, "redis": 6379, "toxiproxy": 8474}
# Parts that are not killed, so that they need no sandbox.
_NEVER_STARTED_ANEW = frozenset({"toxiproxy"})


class StackNetwork:
    """The network of one stack, and the addresses of its parts, which do not change on a restart.

    Host names are not used: a lookup can take seconds if the engine queries a name server that does not
    answer, and a restarted container may get another address.

    Args:
        parts: names of the permanent parts; commands that run once share one additional address.
        labels: identify the owner of network and sandboxes; used to find and remove them.
        ports: fixed ports on loopback, by part; other parts get a free port.
    """

    def __init__(self, parts: Sequence[str], *, labels: Mapping[str, str], ports: Mapping[str, int]) -> None:
        self.parts = tuple(parts)
        self.gateway = ""
        self._labels = dict(labels)
        self._network: Network | None = None
        self._inside: dict[str, str] = {}
        self._sandboxes: dict[str, SandboxPlacement] = {}
        self._leases = PortLeases(LOOPBACK)
        self._ports = dict(ports)
        self._published: dict[str, int] = {}

    def make(self) -> None:
        """Lease the ports and create the network; blocking.

        Raises:
            UsageError: no Docker engine answers.
            StackError: a port is occupied, or the engine cannot create a network.
        """
        for part in self.parts:
            self._published[part] = self._leases.take(part, self._ports.get(part, 0))
        self._network, self.gateway, addresses = make_network(self._labels)
        self._inside = dict(zip(["once", *self.parts], addresses, strict=False))

    @property
    def made(self) -> bool:
        """Whether the network exists."""
        return self._network is not None

    def release(self) -> None:
        """Release the ports; the network is removed with the stack's containers."""
        self._network = None
        self._sandboxes.clear()
        self._leases.release()

    def reached(self, part: str) -> Address:
        """The address at which the harness reaches a part: a port published on loopback."""
        return (LOOPBACK, self._published[part])

    def address(self, part: str) -> str:
        """A part's own address in the network."""
        return self._inside[part]

    def in_network(self, part: str) -> Address:
        """The address at which other containers reach a part."""
        return (self._inside[part], _INSIDE.get(part, SERVICE_PORT))

    def place(self, name: str, *, image: str) -> Placement:
        """Return the placement of a part; a part that may be killed and restarted keeps its address.

        Args:
            image: the image of the sandbox, if one is needed.
        """
        assert self._network is not None
        if name not in self._published:
            return DirectPlacement(name, self._network, self._inside["once"])
        ports = {_INSIDE.get(name, SERVICE_PORT): self._published[name]}
        spot = DirectPlacement(name, self._network, self._inside[name], ports)
        if name in _NEVER_STARTED_ANEW:
            return spot
        return self._sandboxes.setdefault(name, SandboxPlacement(spot, image, self._labels))
