"""The relay: a counting TCP proxy in front of Toxiproxy, with one thread for all links of a stack.

Data from a client is counted, may fire a tripwire, passes the link's session (which observes, holds and
fails messages) and is forwarded. An end of stream is forwarded as an end of stream (half-close) and a reset
as a reset; back pressure from a slow reader pauses the other side.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import logging
import os
import socket
import threading
from collections.abc import Callable, Coroutine
from typing import Any, Protocol, TypeVar

from overbooked.errors import DeadlineExceeded, StackError
from overbooked.machine import troubles
from overbooked.machine.lag import RELAY, LoopWatch
from overbooked.wire.gate.boundary import Gatekeeper, WireProtocol
from overbooked.wire.link import RelayLink
from overbooked.wire.listener import LinkListener

log = logging.getLogger(__name__)

_T = TypeVar("_T")
_BACKLOG = 1024
_CALL_TIMEOUT_S = 5.0


class Relays:
    """The relays of one stack, run by a separate thread with its own event loop.

    `open` opens a link, `lead` sets its upstream, `close` closes all links (idempotent).
    """

    def __init__(self) -> None:
        self._loop = _new_loop()
        self._listeners: dict[str, LinkListener] = {}
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="overbooked-relay", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.set_exception_handler(_noted)
        watch = LoopWatch(self._loop, RELAY)
        try:
            self._loop.run_forever()
        finally:
            watch.stop()
            if not self._closing:
                troubles.note("the relay's thread ended during the run; nothing sent since then has arrived")

    def open(
        self,
        name: str,
        *,
        toxiproxy: str = "",
        host: str = "127.0.0.1",
        port: int = 0,
        upstream: tuple[str, int] | None = None,
        protocol: WireProtocol = WireProtocol.RAW,
    ) -> RelayLink:
        """Start to listen for a link's clients and return the link.

        Args:
            name: the link's name; unique in the stack.
            host, port: the address to listen on, usually loopback or a container network's gateway;
                port 0 selects a free port.
            protocol: the link's protocol; RAW is passed through.
            upstream: the address to connect to; clients wait while there is none (see `lead`).

        Raises:
            StackError: the address cannot be listened on.
        """
        if name in self._listeners:
            raise StackError(f"the link {name} is already open", part=name)
        listener = LinkListener(self._loop, name, protocol)
        if upstream is not None:
            listener.lead(upstream)
        try:
            address = self._call(self._listen(listener, host, port))
        except OSError as error:
            raise StackError(
                f"the relay of {name} cannot listen on {host}:{port}: "
                f"{os.strerror(error.errno) if error.errno else error}; free that port or name another",
                part=name,
            ) from error
        self._listeners[name] = listener
        control = _ListenerControl(listener, self._here_or_there)
        return RelayLink(
            name, toxiproxy, address, upstream, listener.counts, listener.tripwires, control, protocol
        )

    def lead(self, link: RelayLink, upstream: tuple[str, int] | None) -> None:
        """Connect a link's new clients to `upstream`; with None they wait, for ten seconds at most."""
        link.upstream = upstream
        self._loop.call_soon_threadsafe(self._listeners[link.name].lead, upstream)

    def connections(self) -> int:
        """The number of open connections of all links; call it in the relay's thread only."""
        return sum(len(listener.connections) for listener in self._listeners.values())

    async def _listen(self, listener: LinkListener, host: str, port: int) -> tuple[str, int]:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listening = socket.create_server((host, port), family=family, backlog=_BACKLOG)
        listening.setblocking(False)
        listener.start(listening)
        found = listening.getsockname()
        return str(found[0]), int(found[1])

    def close(self) -> None:
        """Reset every connection, stop listening and end the thread."""
        if self._loop.is_closed():
            return
        self._closing = True
        if self._thread.is_alive():
            try:
                self._call(self._shut())
            except DeadlineExceeded:
                log.warning("the relay's thread did not close its listeners in time")
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(_CALL_TIMEOUT_S)
        if not self._loop.is_running():
            self._loop.close()

    async def _shut(self) -> None:
        for listener in self._listeners.values():
            await listener.shut()
            listener.cut()
        await asyncio.sleep(0)  # one iteration of the loop, which sends the resets

    def _here_or_there(self, act: Callable[[], _T]) -> _T:
        """Run `act` in the relay's thread; directly if called there, as by a tripwire's action."""
        if threading.current_thread() is self._thread:
            return act()

        async def run() -> _T:
            return act()

        return self._call(run())

    def _call(self, work: Coroutine[Any, Any, _T]) -> _T:
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result(_CALL_TIMEOUT_S)
        except concurrent.futures.TimeoutError as error:
            future.cancel()
            raise DeadlineExceeded(
                f"the relay's thread did not answer within {_CALL_TIMEOUT_S:g} s"
            ) from error


class _Here(Protocol):
    """Runs a function in the relay's thread."""

    def __call__(self, act: Callable[[], _T]) -> _T: ...


class _ListenerControl:
    """Controls a listener from any thread; satisfies `overbooked.wire.link.Control`."""

    def __init__(self, listener: LinkListener, here: _Here) -> None:
        self._listener = listener
        self._here = here

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        return self._listener.loop

    def cut(self) -> int:
        return self._here(self._listener.cut)

    def gate(self, keeper: Gatekeeper | None) -> None:
        self._here(lambda: self._listener.gate(keeper))

    def call(self, act: Callable[[], _T]) -> _T:
        return self._here(act)

    def troubles(self) -> tuple[str, ...]:
        return tuple(self._listener.troubles)


def _noted(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Record an error that belongs to no connection."""
    error = context.get("exception")
    if isinstance(error, BaseException):
        troubles.note_limit(error)
    loop.default_exception_handler(context)


def _new_loop() -> asyncio.AbstractEventLoop:
    try:
        import uvloop  # noqa: PLC0415 - not on every platform
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()
