"""Accepts the clients of a listening socket and loses none when file descriptors run out.

It does not use the event loop's own server: with no descriptor left, libuv accepts a client and closes it
without an error, which looks to the client like a refusal by the system under test.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

from overbooked.machine import troubles

# Seconds to wait after a failed accept; clients stay in the backlog. Without the pause a persistent error
# would spin the event loop, which other connections share.
_RETRY_S = 0.05


async def accept_clients(
    listening: socket.socket,
    make_protocol: Callable[[], asyncio.BaseProtocol],
    on_limit: Callable[[OSError], object] = troubles.note_limit,
) -> None:
    """Accept clients one after another until cancelled; create a protocol for each.

    Args:
        listening: a non-blocking, listening socket.
        make_protocol: called once per client.
        on_limit: called with the error of a failed accept, before the next attempt.
    """
    loop = asyncio.get_running_loop()
    while True:
        try:
            client, _ = await loop.sock_accept(listening)
        except OSError as error:
            on_limit(error)
            await asyncio.sleep(_RETRY_S)
            continue
        try:
            await loop.connect_accepted_socket(make_protocol, client)
        except OSError as error:
            on_limit(error)
            client.close()
