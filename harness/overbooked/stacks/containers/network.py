"""The network of a containers stack, with fixed addresses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import ip_network

from docker.errors import APIError
from docker.types.networks import IPAMConfig, IPAMPool
from testcontainers.core.network import Network

from overbooked.stacks.containers.cleanup import engine, translated

_TRIES = 5


def make_network(labels: Mapping[str, str]) -> tuple[Network, str, Iterator[str]]:
    """Create a bridge network; return it, its gateway, and an iterator over assignable addresses.

    Docker assigns fixed addresses only in an explicitly configured subnet. So a subnet that the engine has
    selected is released and configured explicitly; if another client takes it in between, the next one is
    tried.

    Raises:
        UsageError: no Docker engine answers.
        StackError: the engine cannot create a network.
    """
    with engine() as client, translated("network"):
        for left in reversed(range(_TRIES)):
            draft = Network(docker_network_kw={"labels": dict(labels), "driver": "bridge"}).create()
            found = client.networks.get(draft.id)
            subnet = ip_network(found.attrs["IPAM"]["Config"][0]["Subnet"])
            found.remove()
            hosts = (str(address) for address in subnet.hosts())
            gateway = next(hosts)
            pool = IPAMPool(subnet=str(subnet), gateway=gateway)  # type: ignore[no-untyped-call]
            ipam = IPAMConfig(pool_configs=[pool])  # type: ignore[no-untyped-call]
            try:
                network = Network(
                    docker_network_kw={"labels": dict(labels), "driver": "bridge", "ipam": ipam}
                ).create()
            except APIError:
                if not left:
                    raise
                continue
            return network, gateway, hosts
    raise AssertionError("unreachable")
