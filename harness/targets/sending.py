"""Sending requests through `client->app`, patiently, one client a replica."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import httpx

from harness.targets.port import Action, Answer, HttpRequest, HttpResponse, Outcome, Send
from harness.targets.transport import TargetFailed, TransportFailed

# A server may close a connection that idles; uvicorn does after five seconds. Letting go first
# keeps a healthy system from ever being met with a connection that is just being closed.
KEEP_IDLE_S = 2.0
BODY_SHOWN = 200

_STAGES: tuple[tuple[type[httpx.HTTPError], str], ...] = (
    (httpx.ConnectError, "connect"),
    (httpx.ConnectTimeout, "connect"),
    (httpx.PoolTimeout, "connect"),
    (httpx.WriteError, "send"),
    (httpx.WriteTimeout, "send"),
)


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a client waits, in seconds: for a connection, and for each part of an answer."""

    connect_s: float = 5.0
    answer_s: float = 15.0


class Client:
    """Satisfies `harness.targets.port.Send`.

    Args:
        urls: base URLs of the replicas, in order, each through its own link.
        patience: when to give an answer up.
    """

    def __init__(self, urls: Sequence[str], patience: Patience) -> None:
        if not urls:
            raise ValueError("a client needs at least one URL")
        self.urls = tuple(url.rstrip("/") for url in urls)
        timeout = httpx.Timeout(patience.answer_s, connect=patience.connect_s)
        limits = httpx.Limits(max_connections=128, max_keepalive_connections=64, keepalive_expiry=KEEP_IDLE_S)
        self._clients = [
            httpx.AsyncClient(
                base_url=url,
                timeout=timeout,
                limits=limits,
                trust_env=False,  # a proxy of the machine's would be a link nobody named
                verify=url.startswith("https:"),
            )
            for url in self.urls
        ]

    async def __call__(self, request: HttpRequest, *, replica: int | None = None) -> HttpResponse:
        """Send one request to a replica (default the first) and return the response.

        Raises:
            TransportFailed: no whole response came back in time.
        """
        client = self._clients[(replica or 0) % len(self._clients)]
        try:
            response = await client.request(
                request.method, request.path, headers=dict(request.headers), content=request.body or None
            )
        except httpx.HTTPError as error:
            stage = next((stage for kind, stage in _STAGES if isinstance(error, kind)), "receive")
            raise TransportFailed(f"{type(error).__name__} {error}".strip(), stage=stage) from error
        headers = {name.lower(): value for name, value in response.headers.items()}
        return HttpResponse(response.status_code, headers, response.content)

    async def close(self) -> None:
        """Close every connection."""
        for client in self._clients:
            await client.aclose()


def understood(action: Action, response: HttpResponse) -> Answer:
    """What the client learnt from a response; a 5xx leaves it in the dark, whatever its body says.

    Raises:
        TargetFailed: the adapter cannot read an answer below 500.
    """
    if response.status >= 500:
        body = response.body[:BODY_SHOWN].decode("utf-8", "replace")
        return Answer(Outcome.UNKNOWN, response.status, problem=f"HTTP {response.status} {body}".strip())
    try:
        return action.read(response)
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise TargetFailed(
            f"the adapter cannot read the answer to {action.verb} by {action.who}: {error!r} in "
            f"HTTP {response.status} {response.body[:BODY_SHOWN]!r}"
        ) from error


def unanswered(error: TransportFailed) -> Answer:
    """The answer that did not come."""
    return Answer(Outcome.UNKNOWN, None, problem=f"{error.stage}: {error}")


async def ask(send: Send, action: Action, *, replica: int | None = None) -> Answer:
    """Send one action and read its answer; what the network does ends in an UNKNOWN answer.

    Raises:
        TargetFailed: the adapter cannot read the answer.
    """
    started = time.monotonic()
    try:
        answer = understood(action, await send(action.request, replica=replica))
    except TransportFailed as error:
        answer = unanswered(error)
    return replace(answer, latency_s=time.monotonic() - started)
