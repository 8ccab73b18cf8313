"""The address and ports of a container in the network of its stack.

If a process on a machine is killed, the kernel refuses connections to its port. If a container is killed, its
network disappears, and clients wait for their own time-out. So a part that may be killed runs in the network
of a sandbox, a container that only holds the network (like Kubernetes's pause container), and clients get
the same refusal as on a machine.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from docker.constants import DEFAULT_DOCKER_API_VERSION as api_version  # noqa: N811
from docker.types.networks import EndpointConfig
from testcontainers.core.container import DockerContainer
from testcontainers.core.network import Network


class Placement(Protocol):
    """The network placement of a container."""

    def take(self, container: DockerContainer) -> Mapping[str, Any]:
        """Configure the container's network; return additional arguments for its creation."""
        ...


@dataclass(slots=True)
class DirectPlacement:
    """A placement that exists as long as its container.

    Args:
        name: the container's host name in the network.
        network: the stack's network.
        address: the container's fixed address in the network.
        ports: container ports, mapped to leased ports on loopback.
    """

    name: str
    network: Network
    address: str
    ports: Mapping[int, int] = field(default_factory=dict)

    def take(self, container: DockerContainer) -> Mapping[str, Any]:
        """Configure the container's network; return additional arguments for its creation."""
        container.with_network(self.network)
        # The container's own method publishes ports on all addresses of the host.
        published: Any = {f"{inside}/tcp": ("127.0.0.1", outside) for inside, outside in self.ports.items()}
        container.ports = published
        endpoint = EndpointConfig(  # type: ignore[no-untyped-call]
            api_version, aliases=[self.name], ipv4_address=self.address
        )
        return {"hostname": self.name, "networking_config": {self.network.name: endpoint}}


@dataclass(slots=True)
class SandboxPlacement:
    """A sandbox with a network for one container after another.

    Args:
        spot: the sandbox's address and ports.
        image: any image with the program `sleep`.
        labels: identify the owner; used to find and remove the sandbox.
    """

    spot: DirectPlacement
    image: str
    labels: Mapping[str, str]
    _holder: str = ""

    def take(self, container: DockerContainer) -> Mapping[str, Any]:
        """Configure the container's network; return additional arguments for its creation."""
        if not self._holder:
            holder = DockerContainer(self.image).with_command(["infinity"])
            holder.with_kwargs(labels=dict(self.labels), entrypoint=["sleep"], **self.spot.take(holder))
            self._holder = str(holder.start().get_wrapped_container().id)
        # Passing a network also prevents testcontainers from selecting one.
        return {"network": f"container:{self._holder}"}
