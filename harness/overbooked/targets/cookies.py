"""Cookies of one client: a jar per customer, for every replica and every way of sending."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from email.utils import parsedate_to_datetime

from overbooked.targets.messages import HttpRequest, HttpResponse


@dataclass(frozen=True, slots=True)
class Cookie:
    """One cookie; it is sent to `path` and below, and expires at `until` (seconds since the epoch)."""

    name: str
    value: str
    path: str = "/"
    until: float | None = None

    def is_for(self, path: str) -> bool:
        """Whether a request for this path carries it (RFC 6265, 5.1.4)."""
        path = path.partition("?")[0]
        if not path.startswith(self.path):
            return False
        return self.path.endswith("/") or path[len(self.path) :][:1] in {"", "/"}


@dataclass(slots=True)
class CookieJar:
    """The cookies of one client of the system under test.

    There is one system, so the Domain attribute is ignored, and all replicas share the jar.
    Secure cookies are sent over plain HTTP too, as browsers do to a loopback address.
    """

    cookies: dict[tuple[str, str], Cookie] = field(default_factory=dict)

    def dress(self, request: HttpRequest) -> HttpRequest:
        """Return the request with this jar's cookies; a request with a Cookie header is left unchanged."""
        sent = request.header_list
        if any(name.lower() == "cookie" for name, _ in sent):
            return request
        now = time.time()
        ours = [
            cookie
            for cookie in self.cookies.values()
            if cookie.is_for(request.path) and (cookie.until is None or cookie.until > now)
        ]
        if not ours:
            return request
        ours.sort(key=lambda cookie: -len(cookie.path))
        text = "; ".join(f"{cookie.name}={cookie.value}" for cookie in ours)
        return replace(request, headers=(*sent, ("Cookie", text)))

    def keep(self, response: HttpResponse, request: HttpRequest) -> None:
        """Store the cookies that a response sets, and remove those that it expires."""
        for text in response.all("set-cookie"):
            cookie = _parsed(text, request.path)
            if cookie is None:
                continue
            key = (cookie.name, cookie.path)
            if cookie.until is not None and cookie.until <= time.time():
                self.cookies.pop(key, None)
            else:
                self.cookies[key] = cookie


def _parsed(text: str, path: str) -> Cookie | None:
    pair, *attributes = text.split(";")
    name, equals, value = pair.partition("=")
    if not equals or not name.strip():
        return None
    where = path.partition("?")[0].rpartition("/")[0] or "/"
    until: float | None = None
    aged = False
    for attribute in attributes:
        key, _, said = attribute.strip().partition("=")
        said = said.strip()
        if key.lower() == "path" and said.startswith("/"):
            where = said
        elif key.lower() == "max-age" and said.lstrip("-").isdigit():
            until, aged = time.time() + int(said), True  # takes precedence over Expires
        elif key.lower() == "expires" and not aged:
            until = _moment(said)
    return Cookie(name.strip(), value.strip(), where, until)


def _moment(text: str) -> float | None:
    try:
        return parsedate_to_datetime(text.replace("-", " ")).timestamp()
    except (ValueError, TypeError):
        return None


# -- the jar for the adapter's own requests ------------------------------------------------------

_CARRIED: ContextVar[CookieJar | None] = ContextVar("overbooked_cookies", default=None)


@contextmanager
def carrying(jar: CookieJar) -> Iterator[None]:
    """Send the requests of this task, and of those it starts, with this jar."""
    token = _CARRIED.set(jar)
    try:
        yield
    finally:
        _CARRIED.reset(token)


def carried(own: CookieJar) -> CookieJar:
    """Return the jar set by `carrying`, otherwise the sender's own."""
    jar = _CARRIED.get()
    return own if jar is None else jar


def names_in(jars: Sequence[CookieJar]) -> set[str]:
    """Return the names of the cookies in these jars."""
    return {cookie.name for jar in jars for cookie in jar.cookies.values()}
