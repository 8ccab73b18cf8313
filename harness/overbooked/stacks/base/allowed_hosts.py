"""Hosts that faults and bursts may target: loopback, and hosts that the configuration allows."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Sequence

from overbooked.errors import HostNotAllowed


def ensure_allowed(host: str, allow: Sequence[str] = (), *, purpose: str = "a fault") -> None:
    """Raise unless a host is loopback or allowed.

    A name counts as loopback only if all its addresses are loopback addresses.

    Args:
        host: host name or address.
        allow: host names, addresses and networks (CIDR) from `[stack] allow_hosts`.
        purpose: the intended action, for the message.

    Raises:
        HostNotAllowed: the host is neither.
    """
    if host in allow:
        return
    addresses = _addresses(host)
    networks = [network for entry in allow if (network := _network(entry))]
    if addresses and all(a.is_loopback or any(a in network for network in networks) for a in addresses):
        return
    found = ", ".join(map(str, addresses)) or "no address"
    raise HostNotAllowed(
        f"{purpose} is aimed at {host} ({found}), which is neither loopback nor allowed; "
        f'if you may disturb it, add "{host}" to [stack] allow_hosts'
    )


def is_loopback(host: str) -> bool:
    """Whether every address of `host` is a loopback address."""
    addresses = _addresses(host)
    return bool(addresses) and all(address.is_loopback for address in addresses)


def _addresses(host: str) -> list[ipaddress.IPv4Address | ipaddress.IPv6Address]:
    try:
        return [ipaddress.ip_address(host)]
    except ValueError:
        pass
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        return []
    return [ipaddress.ip_address(str(entry[4][0]).partition("%")[0]) for entry in found]


def _network(entry: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(entry, strict=False)
    except ValueError:
        return None
