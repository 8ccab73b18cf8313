"""Requests to one Toxiproxy, and their errors.

`toxiproxy-python` sends GET, POST and DELETE. Its consumer class stores one host for the process, so each
instance here creates a subclass. It has no PATCH and no time-outs, accepts status 500 and uses the
environment's web proxies, so this module handles these cases.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import urlsplit

import requests
from toxiproxy.api import APIConsumer
from toxiproxy.exceptions import InvalidToxic, NotFound, ProxyExists

from overbooked.errors import FaultError

_REFUSALS = cast("tuple[type[Exception], ...]", (InvalidToxic, NotFound, ProxyExists))
_NO_PROXIES = {"http": None, "https": None, "all": None}


@dataclass(frozen=True, slots=True)
class ApiReply:
    """A response with a 2xx status; header names are case-insensitive."""

    what: str
    body: bytes
    headers: Mapping[str, str]

    def value(self) -> Any:
        """The body, parsed as JSON.

        Raises:
            FaultError: the body is not JSON.
        """
        try:
            return json.loads(self.body)
        except ValueError as error:
            raise FaultError(f"Toxiproxy answered {self.what} with no JSON: {_said(self.body)!r}") from error


class ApiRequests:
    """Sends requests to one Toxiproxy.

    Args:
        url: the URL of its API, e.g. `http://127.0.0.1:8474`.
        timeout_s: the time limit in seconds for connecting, and for the answer.

    Raises:
        FaultError: `url` is not a plain HTTP URL without a path.
    """

    def __init__(self, url: str, timeout_s: float) -> None:
        parts = urlsplit(url)
        if parts.scheme != "http" or not parts.hostname or parts.path not in ("", "/"):
            raise FaultError(f"a Toxiproxy's URL is like http://127.0.0.1:8474, got {url!r}")
        self.host = parts.hostname
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = parts.port or 80
        self.url = f"http://{host}:{port}"
        consumer: Any = type("Consumer", (APIConsumer,), {"host": host, "port": port})
        self._calls: dict[str, Callable[..., requests.Response]] = {
            "GET": consumer.get,
            "POST": consumer.post,
            "DELETE": consumer.delete,
            "PATCH": lambda path, **options: requests.request(  # noqa: S113 - among the options
                "PATCH", self.url + path, **options
            ),
        }
        self._timeout_s = timeout_s

    def ask(self, method: str, path: str, body: object = None) -> ApiReply:
        """Send a request and return the answer.

        Raises:
            FaultError: the server did not answer in time, or the status is not 2xx.
        """
        what = f"{method} {path}"
        try:
            response = self._calls[method](path, json=body, timeout=self._timeout_s, proxies=_NO_PROXIES)
        except requests.Timeout as error:
            raise FaultError(
                f"Toxiproxy at {self.url} did not answer {what} within {self._timeout_s:g} s"
            ) from error
        except requests.RequestException as error:
            raise FaultError(f"Toxiproxy at {self.url} cannot be reached for {what}: {error}") from error
        except _REFUSALS as error:
            raise FaultError(f"Toxiproxy at {self.url} refused {what}: {_said(error.args[0])}") from error
        if not 200 <= response.status_code < 300:
            said = _said(response.content)
            raise FaultError(f"Toxiproxy at {self.url} refused {what} with {response.status_code}: {said}")
        return ApiReply(what, response.content, response.headers)


def _said(content: bytes) -> str:
    return content.decode("utf-8", "replace").strip()[:500]
