"""All proxies of a server, by name."""

from __future__ import annotations

import logging
from typing import Any

from overbooked.toxiproxy.server.decoding import Pairs, Shape, fields, kind_of
from overbooked.toxiproxy.server.errors import bad_body, missing, proxy_exists, proxy_not_found
from overbooked.toxiproxy.server.metrics import Metrics
from overbooked.toxiproxy.server.proxy import Proxy, ProxyContext
from overbooked.toxiproxy.server.randomness import Draws

log = logging.getLogger(__name__)

_FIELDS: dict[str, str | Shape] = {
    "name": "string",
    "listen": "string",
    "upstream": "string",
    "enabled": "bool",
}
_PROXY = Shape("Proxy", "toxiproxy.Proxy", _FIELDS)
_POPULATED_TYPE = 'struct { toxiproxy.Proxy; Enabled *bool "json:\\"enabled\\"" }'
_POPULATED = Shape("", _POPULATED_TYPE, _FIELDS)


class Collection:
    """The proxies; their randomness derives from `seed` and their bytes are counted in `metrics`."""

    def __init__(self, seed: int, metrics: Metrics) -> None:
        self.seed = seed
        self.metrics = metrics
        self.proxies: dict[str, Proxy] = {}

    def get(self, name: str) -> Proxy:
        """Return a proxy by name.

        Raises:
            ApiError: there is no such proxy.
        """
        if name not in self.proxies:
            raise proxy_not_found()
        return self.proxies[name]

    def as_dict(self) -> dict[str, Any]:
        return {name: self.proxies[name].as_dict() for name in sorted(self.proxies)}

    async def create(self, body: Any) -> Proxy:
        """Add a proxy from a parsed request body, and start it unless `enabled` is false.

        Raises:
            ApiError: the body is invalid, the name is taken, or the address cannot be listened on.
        """
        warn_of_toxics([body])
        given = fields(body, _PROXY)
        for field in ("name", "upstream"):
            if not given.get(field):
                raise missing(field)
        proxy = self._made(given)
        if proxy.name in self.proxies:
            raise proxy_exists()
        if given.get("enabled", True):
            await proxy.start()
        self.proxies[proxy.name] = proxy
        return proxy

    async def update(self, name: str, body: Any) -> Proxy:
        """Change a proxy; fields that are not given keep their values.

        Raises:
            ApiError: there is no such proxy, or the body or an address is invalid.
        """
        proxy = self.get(name)
        given = fields(body, _PROXY)
        await proxy.update(
            given.get("listen", proxy.listen),
            given.get("upstream", proxy.upstream),
            given.get("enabled", proxy.enabled),
        )
        return proxy

    async def remove(self, name: str) -> None:
        """Stop a proxy and remove it.

        Raises:
            ApiError: there is no such proxy.
        """
        await self.get(name).stop()
        del self.proxies[name]

    async def populate(self, body: Any, done: list[Proxy]) -> None:
        """Add or replace proxies one by one; keep those that are already as requested, with their toxics.

        Args:
            body: a parsed request body.
            done: receives the proxies that are as requested, including those before a failure.

        Raises:
            ApiError: the body is invalid (no proxy is changed), or an address is (earlier ones are changed).
        """
        warn_of_toxics(body)
        for given in _populated(body):
            proxy = self._made(given)
            existing = self.proxies.get(proxy.name)
            if existing is not None:
                if not await existing.differs(proxy.listen, proxy.upstream):
                    done.append(existing)
                    continue
                await existing.stop()
            if given.get("enabled", True):
                await proxy.start()
            self.proxies[proxy.name] = proxy
            done.append(proxy)

    async def reset(self) -> None:
        """Enable every proxy and remove every toxic.

        Raises:
            ApiError: a proxy cannot listen; the proxies after it are unchanged.
        """
        for proxy in list(self.proxies.values()):
            await proxy.start()
            proxy.remove_toxics()

    def _made(self, given: dict[str, Any]) -> Proxy:
        name = given["name"]
        context = ProxyContext(Draws(self.seed, name), self.metrics)
        return Proxy(name, given.get("listen", ""), given["upstream"], context)


def without_toxics(body: Any) -> str:
    """Return a warning that names the proxies given with toxics, which are not added; "" if there are none.

    The original ignores such toxics without a warning.
    """
    items = body if isinstance(body, list) else [body]
    named = [_name(item) for item in items if isinstance(item, Pairs) and _has_toxics(item)]
    if not named:
        return ""
    return (
        f"no toxic was added to {', '.join(named)}: a proxy is made without toxics, in a -config file, by "
        "/populate and by /proxies alike; add each with POST /proxies/NAME/toxics"
    )


def _has_toxics(item: Pairs) -> bool:
    return any(key.lower() == "toxics" and value for key, value in item.pairs)


def _name(item: Pairs) -> str:
    return next((str(value) for key, value in item.pairs if key.lower() == "name"), "?")


def warn_of_toxics(body: Any) -> None:
    """Log the warning of `without_toxics`."""
    if warning := without_toxics(body):
        log.warning("%s", warning)


def _populated(body: Any) -> list[dict[str, Any]]:
    if body is None:
        return []
    if not isinstance(body, list):
        raise bad_body(f"json: cannot unmarshal {kind_of(body)} into Go value of type []{_POPULATED_TYPE}")
    found = [fields(item, _POPULATED) for item in body]
    for number, given in enumerate(found, start=1):
        for field in ("name", "upstream"):
            if not given.get(field):
                raise missing(f"{field} at proxy {number}")
    return found
