"""Ports that stay ours: a lease binds the port without listening on it.

Asking the kernel for a free port and closing the socket loses the port to whoever comes next, and
a server that is killed and started again would find it taken. A lease is a bound socket that never
listens: nobody else is given the port, and a server that sets SO_REUSEADDR (all do) may still
listen on it, as often as it likes. A lease ends with our process at the latest.
"""

from __future__ import annotations

import errno
import socket

from overbooked.errors import StackError


class PortLeases:
    """The ports of one stack."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        self._host = host
        self._sockets: list[socket.socket] = []

    def take(self, part: str, port: int = 0) -> int:
        """Lease a port, any free one when `port` is 0.

        Raises:
            StackError: the port that was asked for is occupied.
        """
        leased = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            # Bound without SO_REUSEADDR, so that a port somebody holds is seen as occupied ...
            leased.bind((self._host, port))
            # ... and shared afterwards, so that our own child may listen on it.
            leased.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        except OSError as error:
            leased.close()
            if error.errno in (errno.EADDRINUSE, errno.EACCES):
                why = "is occupied" if error.errno == errno.EADDRINUSE else "needs more rights than we have"
                raise StackError(
                    f"port {port} for {part} {why}; free it or change [stack.ports] {part}", part=part
                ) from error
            raise StackError(f"no port for {part} on {self._host}: {error}", part=part) from error
        self._sockets.append(leased)
        return int(leased.getsockname()[1])

    def release(self) -> None:
        """Give all ports back; idempotent."""
        while self._sockets:
            self._sockets.pop().close()
