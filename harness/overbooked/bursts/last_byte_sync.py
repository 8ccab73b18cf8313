"""Last-byte synchronisation: sends requests except for the last byte, then all last bytes together."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace

from overbooked.errors import HarnessError
from overbooked.machine import troubles
from overbooked.targets.adapter import HttpRequest, HttpResponse
from overbooked.targets.client import ClientTimeouts
from overbooked.targets.endpoint import Endpoint
from overbooked.targets.errors import TransportError
from overbooked.targets.raw_connection import Connection

# A server may be about to close a connection that was idle for longer than this.
KEEP_IDLE_S = 2.0
# Maximum number of replacements of a connection that is closed before the barrier.
TRIES = 3


@dataclass(slots=True)
class PendingRequest:
    """A request on its connection, sent except for its last byte until `released_at`."""

    connection: Connection
    request: HttpRequest
    lane: int
    held_at: float
    early: bool = False
    released_at: float | None = None
    broken: TransportError | None = None

    @property
    def invoked_at(self) -> float:
        """The earliest time at which the request may have had an effect.

        That is the release of its last byte, unless the service answered before it had received the whole
        request; then it may also have acted earlier.
        """
        return self.held_at if self.early or self.released_at is None else self.released_at


class LastByteSync:
    """Connections to the endpoints of a service, kept warm from one volley to the next.

    The lane number of a request determines its endpoint (round robin) and its place in the release order.

    Args:
        endpoints: the endpoints of the replicas, in order.
        warm_path: requested once on each new connection; any answer is accepted.
        patience: the timeouts for an answer.
    """

    def __init__(self, endpoints: Sequence[Endpoint], warm_path: str, patience: ClientTimeouts) -> None:
        self._endpoints = tuple(endpoints)
        self._warm = HttpRequest("GET", warm_path)
        self._patience = patience
        self._idle: list[deque[Connection]] = [deque() for _ in self._endpoints]

    async def close(self) -> None:
        """Close every connection."""
        for idle in self._idle:
            while idle:
                idle.pop().close()

    # -- before the barrier --------------------------------------------------------------------

    async def hold(self, requests: Sequence[HttpRequest], lanes: Sequence[int]) -> list[PendingRequest]:
        """Send every request except for its last byte, each on a separate connection.

        Raises:
            HarnessError: a connection could not be made ready.
        """
        held = list(await asyncio.gather(*map(self._held, requests, lanes)))
        for _ in range(TRIES):
            lost = [n for n, one in enumerate(held) if not one.connection.is_silent()]
            if not lost:
                return held
            # A server may close a waiting connection; an incomplete request has no effect.
            for n in lost:
                held[n].connection.close()
                held[n] = await self._held(requests[n], lanes[n])
        for one in held:
            one.early = not one.connection.is_silent()
        return held

    async def _held(self, request: HttpRequest, lane: int) -> PendingRequest:
        endpoint = self._endpoint(lane)
        failed: Exception | None = None
        for _ in range(TRIES):
            try:
                async with asyncio.timeout(self._patience.answer_s):
                    connection = await self._warmed(lane)
                    held_at = time.monotonic()
                    await connection.hold(_at(endpoint, request))
                    return PendingRequest(connection, request, lane, held_at)
            except (TransportError, TimeoutError) as error:
                failed = error
        assert failed is not None
        if limit := troubles.limit_of(failed):
            raise HarnessError(f"a burst could not be made ready: {limit}") from failed
        raise HarnessError(
            f"a burst of connections to {endpoint.authority} could not be made ready: {failed!r}; "
            "is the service up, and its link without toxics?"
        ) from failed

    async def _warmed(self, lane: int) -> Connection:
        endpoint, idle = self._endpoint(lane), self._idle[lane % len(self._endpoints)]
        while idle:
            connection = idle.popleft()
            if connection.usable_until > time.monotonic() and connection.is_silent():
                return connection
            connection.close()
        connection = Connection(endpoint.host, endpoint.port, endpoint.authority)
        await connection.open()
        await connection.exchange(_at(endpoint, self._warm))
        if not connection.is_open:  # the server closes after each answer, so connections cannot be warmed
            await connection.open()
        return connection

    # -- the barrier and after -----------------------------------------------------------------

    @staticmethod
    def release(held: Sequence[PendingRequest]) -> float:
        """Send every last byte in the order of lanes; return the seconds between the first and the last."""
        ordered = sorted(held, key=lambda one: one.lane)
        for one in ordered:
            try:
                one.released_at = one.connection.release()
            except TransportError as error:
                one.broken = error
        moments = [one.released_at for one in ordered if one.released_at is not None]
        return moments[-1] - moments[0] if moments else 0.0

    async def receive(self, one: PendingRequest) -> HttpResponse:
        """Return the response to a released request; its connection is kept for the next burst.

        Raises:
            TransportError: the response is incomplete or did not arrive in time.
        """
        if one.broken is not None:
            raise one.broken
        try:
            async with asyncio.timeout(self._patience.answer_s):
                response = await one.connection.receive()
        except TimeoutError as error:
            one.connection.close()
            message = f"no answer within {self._patience.answer_s:g} s"
            raise TransportError(message, stage="receive") from error
        if one.connection.is_open:
            one.connection.usable_until = time.monotonic() + KEEP_IDLE_S
            self._idle[one.lane % len(self._endpoints)].append(one.connection)
        return response

    def _endpoint(self, lane: int) -> Endpoint:
        return self._endpoints[lane % len(self._endpoints)]


def _at(endpoint: Endpoint, request: HttpRequest) -> HttpRequest:
    return replace(request, path=endpoint.prefix + request.path) if endpoint.prefix else request
