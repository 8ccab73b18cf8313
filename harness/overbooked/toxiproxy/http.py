"""Requests to one Toxiproxy and what can go wrong with them.

`toxiproxy-python` carries GET, POST and DELETE. Its consumer has one host for the whole process, so
each exchange has a subclass of its own; it has no PATCH, no time-outs, takes a 500 for an answer and
follows the environment's web proxies, so those are ours.
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
class Reply:
    """An answer of the 2xx family; header names match without regard to case."""

    what: str
    body: bytes
    headers: Mapping[str, str]

    def value(self) -> Any:
        """The JSON it carries.

        Raises:
            FaultError: it carries none.
        """
        try:
            return json.loads(self.body)
        except ValueError as error:
            raise FaultError(f"Toxiproxy answered {self.what} with no JSON: {_said(self.body)!r}") from error


class Exchange:
    """Asks one Toxiproxy.

    Args:
        url: its API, e.g. `http://127.0.0.1:8474`.
        timeout_s: how long it may take to connect and to answer, each.

    Raises:
        FaultError: `url` is no such address.
    """

    def __init__(self, url: str, timeout_s: float) -> None:
        parts = urlsplit(url)
        if parts.scheme != "http" or not parts.hostname or parts.path not in ("", "/"):
            raise FaultError(f"a Toxiproxy is named like http://127.0.0.1:8474, got {url!r}")
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

    def ask(self, method: str, path: str, body: object = None) -> Reply:
        """Send a request and return the answer.

        Raises:
            FaultError: no answer in time, or none of the 2xx family; the message says which.
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
        return Reply(what, response.content, response.headers)


def _said(content: bytes) -> str:
    return content.decode("utf-8", "replace").strip()[:500]
