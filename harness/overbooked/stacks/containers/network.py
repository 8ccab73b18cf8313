"""The network of a containers stack: its own, on addresses that stay."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import ip_network

from docker.errors import APIError
from docker.types.networks import IPAMConfig, IPAMPool
from testcontainers.core.network import Network

from overbooked.stacks.containers.cleanup import engine, translated

_TRIES = 5


def make_network(labels: Mapping[str, str]) -> tuple[Network, str, Iterator[str]]:
    """A bridge network with these labels, its gateway, and the addresses that can be fixed in it.

    An address can be fixed only in a subnet that was named, so one that the engine found free is
    given up and named at once; where somebody else was quicker, the next one.

    Raises:
        UsageError: no Docker engine answers.
        StackError: the engine makes no network.
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
