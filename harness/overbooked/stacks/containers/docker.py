"""Checks whether a Docker engine answers on its socket and which images it has; pulls no image."""

from __future__ import annotations

import http.client
import json
import os
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

_USUAL = "unix:///var/run/docker.sock"
_TIMEOUT_S = 2.0


@dataclass(frozen=True, slots=True)
class Engine:
    """A Docker engine that answered, or the reason in `problem` why none did."""

    host: str
    version: str = ""
    problem: str = ""

    @property
    def answers(self) -> bool:
        return not self.problem

    def missing(self, images: Iterable[str]) -> list[str]:
        """Return the images that the engine does not have locally; all of them if it does not answer."""
        return [image for image in images if not self._has(image)]

    def _has(self, image: str) -> bool:
        if self.problem:
            return False
        try:
            status, _ = _get(self.host, f"/images/{quote(image, safe='/:@')}/json")
        except (OSError, http.client.HTTPException):
            return False
        return status == http.HTTPStatus.OK


def find_engine() -> Engine:
    """Query the version of the engine at DOCKER_HOST, else at the default socket."""
    host = os.environ.get("DOCKER_HOST") or _USUAL
    try:
        status, body = _get(host, "/version")
        if status != http.HTTPStatus.OK:
            return Engine(host, problem=f"the Docker engine at {host} answered {status}")
        return Engine(host, version=str(json.loads(body)["Version"]))
    except FileNotFoundError:
        return Engine(host, problem=f"no Docker engine: {host} does not exist")
    except PermissionError:
        return Engine(host, problem=f"the Docker engine at {host} refuses this user (group docker?)")
    except ConnectionRefusedError:
        return Engine(host, problem=f"the Docker daemon is down: nothing answers at {host}")
    except (OSError, ValueError, KeyError, http.client.HTTPException) as error:
        return Engine(host, problem=f"the Docker engine at {host} does not answer: {error}")


def _get(host: str, path: str) -> tuple[int, bytes]:
    connection = _connection(host)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def _connection(host: str) -> http.client.HTTPConnection:
    parts = urlsplit(host)
    if parts.scheme == "unix":
        return _UnixConnection(parts.path)
    if parts.scheme in ("tcp", "http") and parts.hostname:
        return http.client.HTTPConnection(parts.hostname, parts.port or 2375, timeout=_TIMEOUT_S)
    raise ValueError(f"DOCKER_HOST {host!r} is neither unix:// nor tcp://")


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=_TIMEOUT_S)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(_TIMEOUT_S)
        self.sock.connect(self._path)
