"""Where faults may be aimed: loopback, the stack's own networks and names, what the settings allow."""

from __future__ import annotations

from collections.abc import Sequence

from harness.errors import FaultError
from harness.faults.described import ProxyState
from harness.stacks.hosts import ensure_allowed
from harness.stacks.protocol import Link, Stack


class Aim:
    """Checks each target of a fault before anything is done to it.

    Args:
        stack: whose links and processes may be hurt, and no others.
        allow: hosts and networks (CIDR) from `[stack] allow_hosts`.
    """

    def __init__(self, stack: Stack, allow: Sequence[str] = ()) -> None:
        self._stack = stack
        self._allow = (*allow, *getattr(stack, "networks", ()))

    def link(self, name: str) -> Link:
        """The link of that name.

        Raises:
            FaultError: the stack has none of that name.
            HostNotAllowed: it does not start where we may do harm.
        """
        if name not in self._stack.links:
            raise FaultError(f"no link {name!r}; the stack has {', '.join(sorted(self._stack.links))}")
        link = self._stack.links[name]
        ensure_allowed(link.address[0], self._allow, purpose=f"a fault on {name}")
        return link

    def server(self, host: str) -> None:
        """Check the host of the Toxiproxy that is to be used.

        Raises:
            HostNotAllowed: naming it.
        """
        ensure_allowed(host, self._allow, purpose="a toxic")

    def upstream(self, proxy: ProxyState) -> None:
        """Check where a proxy leads: who stands behind it is hurt too.

        Raises:
            HostNotAllowed: naming it.
        """
        host = proxy.upstream.rpartition(":")[0].strip("[]")
        if self._stack.kind == "containers" and host in self._stack.processes:
            return  # a name in the network that the stack made, which only its containers have
        ensure_allowed(host, self._allow, purpose=f"a toxic on {proxy.name}")
