"""Sends requests through `client->app`, with one HTTP client per replica."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from http.cookiejar import CookieJar as CookiesOfStandardLibrary
from http.cookiejar import DefaultCookiePolicy

import httpx

from overbooked.machine import lag, troubles
from overbooked.targets.adapter import Action, Answer, HttpRequest, HttpResponse, Outcome, Send
from overbooked.targets.cookies import CookieJar, carried, carrying
from overbooked.targets.errors import TransportError

# A server may close an idle connection; uvicorn does so after five seconds. The client closes it first,
# so that no request to a healthy system meets a connection that is being closed.
KEEP_IDLE_S = 2.0

_STAGES: tuple[tuple[type[httpx.HTTPError], str], ...] = (
    (httpx.ConnectError, "connect"),
    (httpx.ConnectTimeout, "connect"),
    (httpx.PoolTimeout, "connect"),
    (httpx.WriteError, "send"),
    (httpx.WriteTimeout, "send"),
)


@dataclass(frozen=True, slots=True)
class ClientTimeouts:
    """How long a client waits, in seconds, for a connection and for each part of an answer."""

    connect_s: float = 5.0
    answer_s: float = 15.0


# httpx stores cookies per client, which would be one jar for all customers.
_NONE_KEPT = CookiesOfStandardLibrary(policy=DefaultCookiePolicy(allowed_domains=()))


class Client:
    """Satisfies `overbooked.targets.adapter.Send`.

    It shares no cookies between customers: a request is sent with the jar that
    `overbooked.targets.cookies.carrying` names, otherwise with `cookies`, the adapter's own.

    Args:
        urls: base URLs of the replicas, in order, each through its own link.
        patience: how long to wait for an answer.
    """

    def __init__(self, urls: Sequence[str], patience: ClientTimeouts) -> None:
        if not urls:
            raise ValueError("a client needs at least one URL")
        self.cookies = CookieJar()
        self.urls = tuple(url.rstrip("/") for url in urls)
        timeout = httpx.Timeout(patience.answer_s, connect=patience.connect_s)
        limits = httpx.Limits(max_connections=128, max_keepalive_connections=64, keepalive_expiry=KEEP_IDLE_S)
        self._clients = [
            httpx.AsyncClient(
                base_url=url,
                cookies=_NONE_KEPT,
                timeout=timeout,
                limits=limits,
                trust_env=False,  # a proxy of this machine would be an undeclared link
                verify=url.startswith("https:"),
            )
            for url in self.urls
        ]

    async def __call__(self, request: HttpRequest, *, replica: int | None = None) -> HttpResponse:
        """Send one request to a replica (default the first) and return the response.

        Raises:
            TransportError: no complete response arrived in time.
        """
        client = self._clients[(replica or 0) % len(self._clients)]
        jar = carried(self.cookies)
        sent = jar.dress(request)
        try:
            response = await client.request(
                sent.method, sent.path, headers=sent.header_list, content=sent.body or None
            )
        except httpx.HTTPError as error:
            stage = next((stage for kind, stage in _STAGES if isinstance(error, kind)), "receive")
            raise TransportError(f"{type(error).__name__} {error}".strip(), stage=stage) from error
        received = HttpResponse.received(
            response.status_code, response.headers.multi_items(), response.content
        )
        jar.keep(received, sent)
        return received

    async def close(self) -> None:
        """Close every connection."""
        for client in self._clients:
            await client.aclose()


def unknown_answer(error: TransportError, *, since: float | None = None) -> Answer:
    """The UNKNOWN answer to a request without a response.

    If this machine caused the failure, its limit or its delay is noted, and no verdict rests on it.

    Args:
        since: when the request was sent, by `time.monotonic`.
    """
    if not troubles.note_limit(error) and error.timed_out and since is not None:
        lag.excuses(since, time.monotonic())
    return Answer(Outcome.UNKNOWN, None, problem=f"{error.stage}: {error}")


async def ask(send: Send, action: Action, *, replica: int | None = None) -> Answer:
    """Send an action and read its answer; a failure of the network gives an UNKNOWN answer.

    Raises:
        TargetError: the adapter cannot read the answer.
    """
    started = time.monotonic()
    exchanges = action.exchanges()
    with carrying(action.cookies or CookieJar()):
        try:
            request = next(exchanges)
            while True:
                request = exchanges.send(await send(request, replica=replica))
        except StopIteration as end:
            answer: Answer = end.value
        except TransportError as error:
            answer = unknown_answer(error, since=started)
    weigh(answer, started)
    return replace(answer, latency_s=time.monotonic() - started)


def weigh(answer: Answer, since: float) -> None:
    """Record that this machine delayed a failed answer, because the service's own connections use our relay.

    Args:
        since: when the request was sent, by `time.monotonic`.
    """
    if answer.status is not None and answer.status >= 500:
        lag.excuses(since, time.monotonic(), only=lag.RELAY)


def parse_answer(action: Action, response: HttpResponse) -> Answer:
    """Return the answer in the last response; see `Action.understood`."""
    return action.understood(response)
