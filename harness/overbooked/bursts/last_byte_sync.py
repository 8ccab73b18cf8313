"""Volleys: requests held back by their last byte on warm connections, and released at once."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple
from urllib.parse import urlsplit

from overbooked.errors import HarnessError, NotSupported
from overbooked.machine import troubles
from overbooked.targets.adapter import HttpRequest, HttpResponse
from overbooked.targets.client import Patience
from overbooked.targets.errors import TransportFailed
from overbooked.targets.raw_connection import Connection

# A connection that idled longer than this may just be being closed by its server.
KEEP_IDLE_S = 2.0
# How often a connection that dies before the barrier is replaced.
TRIES = 3


class Door(NamedTuple):
    """Where a replica is reached; `prefix` goes before every path."""

    host: str
    port: int
    prefix: str

    @property
    def authority(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def door_of(url: str) -> Door:
    """The door behind a base URL.

    Raises:
        NotSupported: it is no plain HTTP.
    """
    parts = urlsplit(url)
    if parts.scheme != "http" or not parts.hostname:
        raise NotSupported(f"bursts speak plain HTTP, and the service is at {url}")
    return Door(parts.hostname, parts.port or 80, parts.path.rstrip("/"))


@dataclass(slots=True)
class Held:
    """A request on its connection, whole but for its last byte until `released_at`."""

    connection: Connection
    request: HttpRequest
    lane: int
    held_at: float
    early: bool = False
    released_at: float | None = None
    broken: TransportFailed | None = None

    @property
    def invoked_at(self) -> float:
        """From when on the request may have had an effect.

        That is the release of its last byte, save for a service that answered before it had the
        whole: it may have acted before as well.
        """
        return self.held_at if self.early or self.released_at is None else self.released_at


class Volleys:
    """Connections to the doors of a service, kept warm from one volley to the next.

    A request has a lane, a number: lanes take turns at the doors and leave in their order.

    Args:
        doors: of the replicas, in order.
        warm_path: requested once on each new connection; any answer will do.
        patience: when to give an answer up.
    """

    def __init__(self, doors: Sequence[Door], warm_path: str, patience: Patience) -> None:
        self._doors = tuple(doors)
        self._warm = HttpRequest("GET", warm_path)
        self._patience = patience
        self._idle: list[deque[Connection]] = [deque() for _ in self._doors]

    async def close(self) -> None:
        """Close every connection."""
        for idle in self._idle:
            while idle:
                idle.pop().close()

    # -- before the barrier --------------------------------------------------------------------

    async def hold(self, requests: Sequence[HttpRequest], lanes: Sequence[int]) -> list[Held]:
        """Send every request but for its last byte, each on a connection of its own.

        Raises:
            HarnessError: a connection could not be made ready.
        """
        held = list(await asyncio.gather(*map(self._held, requests, lanes)))
        for _ in range(TRIES):
            lost = [n for n, one in enumerate(held) if not one.connection.is_silent()]
            if not lost:
                return held
            # A server may drop a connection that waits; a request without its end has no effect.
            for n in lost:
                held[n].connection.close()
                held[n] = await self._held(requests[n], lanes[n])
        for one in held:
            one.early = not one.connection.is_silent()
        return held

    async def _held(self, request: HttpRequest, lane: int) -> Held:
        door = self._door(lane)
        failed: Exception | None = None
        for _ in range(TRIES):
            try:
                async with asyncio.timeout(self._patience.answer_s):
                    connection = await self._warmed(lane)
                    held_at = time.monotonic()
                    await connection.hold(_at(door, request))
                    return Held(connection, request, lane, held_at)
            except (TransportFailed, TimeoutError) as error:
                failed = error
        assert failed is not None
        if limit := troubles.limit_of(failed):
            raise HarnessError(f"a burst could not be made ready: {limit}") from failed
        raise HarnessError(
            f"a burst of connections to {door.authority} could not be made ready: {failed!r}; "
            "is the service up, and its link without toxics?"
        ) from failed

    async def _warmed(self, lane: int) -> Connection:
        door, idle = self._door(lane), self._idle[lane % len(self._doors)]
        while idle:
            connection = idle.popleft()
            if connection.usable_until > time.monotonic() and connection.is_silent():
                return connection
            connection.close()
        connection = Connection(door.host, door.port, door.authority)
        await connection.open()
        await connection.exchange(_at(door, self._warm))
        if not connection.is_open:  # the server closes after each answer: take it as it is
            await connection.open()
        return connection

    # -- the barrier and after -----------------------------------------------------------------

    @staticmethod
    def release(held: Sequence[Held]) -> float:
        """Let every last byte go, in the order of lanes; seconds between the first and the last."""
        ordered = sorted(held, key=lambda one: one.lane)
        for one in ordered:
            try:
                one.released_at = one.connection.release()
            except TransportFailed as error:
                one.broken = error
        moments = [one.released_at for one in ordered if one.released_at is not None]
        return moments[-1] - moments[0] if moments else 0.0

    async def receive(self, one: Held) -> HttpResponse:
        """The response to a released request; its connection is kept for the next volley.

        Raises:
            TransportFailed: it broke off or did not come in time.
        """
        if one.broken is not None:
            raise one.broken
        try:
            async with asyncio.timeout(self._patience.answer_s):
                response = await one.connection.receive()
        except TimeoutError as error:
            one.connection.close()
            message = f"no answer within {self._patience.answer_s:g} s"
            raise TransportFailed(message, stage="receive") from error
        if one.connection.is_open:
            one.connection.usable_until = time.monotonic() + KEEP_IDLE_S
            self._idle[one.lane % len(self._doors)].append(one.connection)
        return response

    def _door(self, lane: int) -> Door:
        return self._doors[lane % len(self._doors)]


def _at(door: Door, request: HttpRequest) -> HttpRequest:
    return replace(request, path=door.prefix + request.path) if door.prefix else request
