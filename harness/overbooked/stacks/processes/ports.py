"""Port leases: a lease binds a port without listening on it.

If a free port is looked up and its socket closed, another process may take the port, and a killed server
could not restart on it. A lease is a bound socket that never listens: the kernel assigns the port to no other
process, and a server that sets SO_REUSEADDR (as all of ours do) can listen on it repeatedly. A lease ends
with this process at the latest.
"""

from __future__ import annotations

import errno
import socket

from overbooked.errors import StackError


class PortLeases:
    """The leased ports of one stack."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        self._host = host
        self._sockets: list[socket.socket] = []

    def take(self, part: str, port: int = 0) -> int:
        """Lease a port; a free port if `port` is 0.

        Raises:
            StackError: the requested port is occupied.
        """
        leased = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            # Bind without SO_REUSEADDR, so that a port in use is detected as occupied,
            leased.bind((self._host, port))
            # and set the option afterwards, so that a child process may listen on the port.
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
        """Release all ports; idempotent."""
        while self._sockets:
            self._sockets.pop().close()
