"""Where a container stands in the network of its stack: at an address and ports that are its own.

A process that is killed leaves its machine behind, and the kernel there refuses whoever calls at its
port. A container that is killed takes its network with it: who calls gets no answer at all, until his
own time-out. So what may be killed stands in a sandbox, a container that does nothing but hold the
network (Kubernetes' pause container), and what happens to the process is what happens anywhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from docker.constants import DEFAULT_DOCKER_API_VERSION as api_version  # noqa: N811
from docker.types.networks import EndpointConfig
from testcontainers.core.container import DockerContainer
from testcontainers.core.network import Network


class Place(Protocol):
    """Where a container is put."""

    def take(self, container: DockerContainer) -> Mapping[str, Any]:
        """What the container is to be made with, besides its own, to stand here."""
        ...


@dataclass(slots=True)
class Spot:
    """A place that lasts as long as the container that takes it.

    Args:
        name: by which it is known in the network.
        network: the stack's.
        address: its fixed address there.
        ports: container port to leased port on loopback.
    """

    name: str
    network: Network
    address: str
    ports: Mapping[int, int] = field(default_factory=dict)

    def take(self, container: DockerContainer) -> Mapping[str, Any]:
        """What the container is to be made with, besides its own, to stand here."""
        container.with_network(self.network)
        # Its own method publishes on every address of the host.
        published: Any = {f"{inside}/tcp": ("127.0.0.1", outside) for inside, outside in self.ports.items()}
        container.ports = published
        endpoint = EndpointConfig(  # type: ignore[no-untyped-call]
            api_version, aliases=[self.name], ipv4_address=self.address
        )
        return {"hostname": self.name, "networking_config": {self.network.name: endpoint}}


@dataclass(slots=True)
class Sandbox:
    """A place that outlives the containers that take it, one after another.

    Args:
        spot: where it is.
        image: any with the program `sleep`.
        labels: whose it is; by them it is found and removed.
    """

    spot: Spot
    image: str
    labels: Mapping[str, str]
    _holder: str = ""

    def take(self, container: DockerContainer) -> Mapping[str, Any]:
        """What the container is to be made with, besides its own, to stand here."""
        if not self._holder:
            holder = DockerContainer(self.image).with_command(["infinity"])
            holder.with_kwargs(labels=dict(self.labels), entrypoint=["sleep"], **self.spot.take(holder))
            self._holder = str(holder.start().get_wrapped_container().id)
        # Said as a network, it also keeps testcontainers from choosing one.
        return {"network": f"container:{self._holder}"}
