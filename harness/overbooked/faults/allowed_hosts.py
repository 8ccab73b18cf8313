"""Where faults may be aimed: loopback, the stack's own network, and what the settings allow."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence

from overbooked.errors import FaultError, NotSupported
from overbooked.stacks.base.allowed_hosts import ensure_allowed
from overbooked.stacks.base.protocol import Link, Stack
from overbooked.toxiproxy.state import ProxyState

_KNOWN_LINK = re.compile(r"client->app(-\d+)?|app->(postgres|redis|provider)|provider->app")


class Aim:
    """Checks each target of a fault before anything is done to it.

    Args:
        stack: whose links and processes may be hurt, and no others.
        allow: hosts and networks (CIDR) from `[stack] allow_hosts`.
    """

    def __init__(self, stack: Stack, allow: Sequence[str] = ()) -> None:
        self._stack = stack
        self._allow = allow

    def link(self, name: str) -> Link:
        """The link of that name.

        Raises:
            NotSupported: this system has no such part, or its owner has not led it through a link.
            FaultError: no system has a link of that name.
            HostNotAllowed: it does not start where we may do harm.
        """
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
        """Check the host of the Toxiproxy that is to be used.

        Raises:
            HostNotAllowed: naming it.
        """
        self._check(host, "a toxic")

    def burst(self, host: str) -> None:
        """Check the host that a burst is to burden.

        Raises:
            HostNotAllowed: naming it.
        """
        self._check(host, "a burst")

    def upstream(self, proxy: ProxyState) -> None:
        """Check where a proxy leads: who stands behind it is hurt too.

        Raises:
            HostNotAllowed: naming it.
        """
        self._check(proxy.upstream.rpartition(":")[0].strip("[]"), f"a toxic on {proxy.name}")

    def _check(self, host: str, purpose: str) -> None:
        if self._stack.kind != "containers" or not self._in_its_network(host):
            ensure_allowed(host, self._allow, purpose=purpose)

    def _in_its_network(self, host: str) -> bool:
        """Whether a stack of containers has it in the network that it made for itself.

        It put every relay, proxy and server there: a name is one of its containers', an address a
        private one.
        """
        try:
            return ipaddress.ip_address(host).is_private
        except ValueError:
            return host in self._stack.processes
