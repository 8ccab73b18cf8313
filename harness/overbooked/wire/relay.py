"""The relay: a counting pass-through in front of Toxiproxy, one thread for all links of a stack.

It stands where the gate does: what a client sends is counted, may trip a wire, goes through the
link's session (which observes, holds and fails) and is passed on. An end of stream is passed on as an
end of stream (half-close), a reset as a reset, and a slow reader holds its writer back.
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
from overbooked.wire.connection import Door
from overbooked.wire.gate.boundary import Gatekeeper, WireProtocol
from overbooked.wire.link import RelayLink

log = logging.getLogger(__name__)

_T = TypeVar("_T")
_BACKLOG = 1024
_CALL_TIMEOUT_S = 5.0
# Between two tries to accept after one has failed, for want of file descriptors above all.
_ACCEPT_AGAIN_S = 0.05


class Relays:
    """The relays of one stack, on an event loop and a thread of their own.

    Open links with `open`, point them with `lead`, let go with `close` (idempotent).
    """

    def __init__(self) -> None:
        self._loop = _new_loop()
        self._doors: dict[str, Door] = {}
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
                troubles.note("the relay's thread ended in mid-run; nothing that was sent since has arrived")

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
        """Listen for a link's clients and return the link.

        Args:
            name: the link's name; once per stack.
            host, port: where to listen, in practice loopback or a container network's gateway;
                port 0 takes a free one.
            protocol: what is spoken on it; RAW is passed through unseen.
            upstream: where to pass it on; while there is none (`lead` gives one) clients wait.

        Raises:
            StackError: the address cannot be listened on.
        """
        if name in self._doors:
            raise StackError(f"the link {name} is already open", part=name)
        door = Door(self._loop, name, protocol)
        if upstream is not None:
            door.lead(upstream)
        try:
            address = self._call(self._listen(door, host, port))
        except OSError as error:
            raise StackError(
                f"the relay of {name} cannot listen on {host}:{port}: "
                f"{os.strerror(error.errno) if error.errno else error}; free that port or name another",
                part=name,
            ) from error
        self._doors[name] = door
        control = _DoorControl(door, self._here_or_there)
        return RelayLink(name, toxiproxy, address, upstream, door.counts, door.tripwires, control, protocol)

    def lead(self, link: RelayLink, upstream: tuple[str, int] | None) -> None:
        """Pass new connections of a link on to `upstream`; None has them wait, for ten seconds at most."""
        link.upstream = upstream
        self._loop.call_soon_threadsafe(self._doors[link.name].lead, upstream)

    def connections(self) -> int:
        """How many connections of all links are open; only in the relay's thread."""
        return sum(len(door.pairs) for door in self._doors.values())

    async def _listen(self, door: Door, host: str, port: int) -> tuple[str, int]:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listening = socket.create_server((host, port), family=family, backlog=_BACKLOG)
        listening.setblocking(False)
        door.listening = listening
        door.accepting = self._loop.create_task(self._accept(door, listening))
        found = listening.getsockname()
        return str(found[0]), int(found[1])

    async def _accept(self, door: Door, listening: socket.socket) -> None:
        """Accept a link's clients, one after another, until the door is shut.

        A loop's own server is no help here: libuv drops a client that it has no descriptor for, without a
        word, and to the client that looks like a refusal of the system.
        """
        while True:
            try:
                client, _ = await self._loop.sock_accept(listening)
            except OSError as error:
                # Clients wait in the backlog meanwhile. The pause also keeps an error that stays from
                # spinning this loop, which every link shares.
                troubles.note_limit(error)
                await asyncio.sleep(_ACCEPT_AGAIN_S)
                continue
            try:
                await self._loop.connect_accepted_socket(door.accept, client)
            except OSError as error:
                troubles.note_limit(error)
                client.close()

    def close(self) -> None:
        """Reset every connection, stop listening and end the thread."""
        if self._loop.is_closed():
            return
        self._closing = True
        if self._thread.is_alive():
            try:
                self._call(self._shut())
            except DeadlineExceeded:
                log.warning("the relay's thread did not shut its doors in time")
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(_CALL_TIMEOUT_S)
        if not self._loop.is_running():
            self._loop.close()

    async def _shut(self) -> None:
        for door in self._doors.values():
            await door.shut()
            door.cut()
        await asyncio.sleep(0)  # one turn, in which the resets are sent

    def _here_or_there(self, act: Callable[[], _T]) -> _T:
        """Run `act` in the relay's thread: at once when we are in it (a tripwire's action)."""
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


class _DoorControl:
    """Reaches a door from any thread; satisfies `overbooked.wire.link.Control`."""

    def __init__(self, door: Door, here: _Here) -> None:
        self._door = door
        self._here = here

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        return self._door.loop

    def cut(self) -> int:
        return self._here(self._door.cut)

    def gate(self, keeper: Gatekeeper | None) -> None:
        self._here(lambda: self._door.gate(keeper))

    def call(self, act: Callable[[], _T]) -> _T:
        return self._here(act)

    def troubles(self) -> tuple[str, ...]:
        return tuple(self._door.troubles)


def _noted(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """What fails outside any connection, an accept for want of file descriptors above all."""
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
