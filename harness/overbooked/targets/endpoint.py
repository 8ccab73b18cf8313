"""The address of a replica of a service over plain HTTP."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import urlsplit

from overbooked.errors import NotSupported


class Endpoint(NamedTuple):
    """Host and port of a replica; `prefix` is put before every path."""

    host: str
    port: int
    prefix: str

    @property
    def authority(self) -> str:
        """Value of the Host header."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def endpoint_of(url: str) -> Endpoint:
    """Return the endpoint of a base URL.

    Raises:
        NotSupported: the URL is not plain HTTP.
    """
    parts = urlsplit(url)
    if parts.scheme != "http" or not parts.hostname:
        raise NotSupported(f"bursts and explorations speak plain HTTP, and the service is at {url}")
    return Endpoint(parts.hostname, parts.port or 80, parts.path.rstrip("/"))
