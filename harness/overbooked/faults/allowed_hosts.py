"""Hosts that faults may target: loopback, the stack's own network, and hosts that the settings allow."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence

from overbooked.errors import FaultError, NotSupported
from overbooked.part_names import accept_name
from overbooked.stacks.base.allowed_hosts import ensure_allowed
from overbooked.stacks.base.protocol import Link, Stack
from overbooked.toxiproxy.state import ProxyState

_KNOWN_LINK = re.compile(r"client->app(-\d+)?|app->(postgres|redis|payments)|payments->app")


class HostPolicy:
    """Checks each target before a fault affects it.

    Args:
        stack: the stack; a fault may target only its links and processes.
        allow: hosts and networks (CIDR) from `[stack] allow_hosts`.
    """

    def __init__(self, stack: Stack, allow: Sequence[str] = ()) -> None:
        self._stack = stack
        self._allow = allow

    def link(self, name: str) -> Link:
        """Return the link of that name.

        Raises:
            NotSupported: this system has no such part, or the part has no link.
            FaultError: the name is not a link's name in any system.
            HostNotAllowed: the link's address is a host that faults may not target.
        """
        name = accept_name(name, "a fault")
        if name not in self._stack.links:
            there = ", ".join(sorted(self._stack.links)) or "none"
            if _KNOWN_LINK.fullmatch(name):
                advice = (
                    f"; where the system has one, declare it in [external.links] {name!r}"
                    if self._stack.kind == "external"
                    else ""
                )
                raise NotSupported(f"needs the link {name}, and this system has {there}{advice}")
            raise FaultError(f"no link {name!r}; the stack has {there}")
        link = self._stack.links[name]
        self._check(link.address[0], f"a fault on {name}")
        return link

    def server(self, host: str) -> None:
        """Check the host of the Toxiproxy that a fault uses.

        Raises:
            HostNotAllowed: faults may not target it.
        """
        self._check(host, "a toxic")

    def burst(self, host: str) -> None:
        """Check the host that a burst targets.

        Raises:
            HostNotAllowed: bursts may not target it.
        """
        self._check(host, "a burst")

    def upstream(self, proxy: ProxyState) -> None:
        """Check the upstream of a proxy, since a fault on the proxy affects it too.

        Raises:
            HostNotAllowed: faults may not target it.
        """
        self._check(proxy.upstream.rpartition(":")[0].strip("[]"), f"a toxic on {proxy.name}")

    def _check(self, host: str, purpose: str) -> None:
        if self._stack.kind != "containers" or not self._in_its_network(host):
            ensure_allowed(host, self._allow, purpose=purpose)

    def _in_its_network(self, host: str) -> bool:
        """Whether a host is in the network that a containers stack created for itself.

        All its relays, proxies and servers are there: a host name is a container's, an address is private.
        """
        try:
            return ipaddress.ip_address(host).is_private
        except ValueError:
            return host in self._stack.processes
