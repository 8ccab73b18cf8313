"""All proxies of a server, by name."""

from __future__ import annotations

import logging
from typing import Any

from overbooked.toxiproxy.server.decoding import Pairs, Shape, fields, kind_of
from overbooked.toxiproxy.server.errors import bad_body, missing, proxy_exists, proxy_not_found
from overbooked.toxiproxy.server.metrics import Metrics
from overbooked.toxiproxy.server.proxy import Proxy, Surroundings
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
    """The proxies, made with chance from `seed` and measured by `metrics`."""

    def __init__(self, seed: int, metrics: Metrics) -> None:
        self.seed = seed
        self.metrics = metrics
        self.proxies: dict[str, Proxy] = {}

    def get(self, name: str) -> Proxy:
        """A proxy by name.

        Raises:
            ApiError: there is none.
        """
        if name not in self.proxies:
            raise proxy_not_found()
        return self.proxies[name]

    def as_dict(self) -> dict[str, Any]:
        return {name: self.proxies[name].as_dict() for name in sorted(self.proxies)}

    async def create(self, body: Any) -> Proxy:
        """Add a proxy from a parsed request body, and start it unless told not to.

        Raises:
            ApiError: the body is bad, the name taken, or the address cannot be listened on.
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
        """Change a proxy; what is not given stays.

        Raises:
            ApiError: there is none of that name, the body is bad, or the address is.
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
        """Stop a proxy and forget it.

        Raises:
            ApiError: there is none of that name.
        """
        await self.get(name).close()
        del self.proxies[name]

    async def populate(self, body: Any, done: list[Proxy]) -> None:
        """Add or replace proxies one by one; those that are as wanted stay, toxics and all.

        Args:
            body: a parsed request body.
            done: takes the proxies that are as wanted, also those before one that failed.

        Raises:
            ApiError: the body is bad (nothing was done), or an address is (the earlier ones were).
        """
        warn_of_toxics(body)
        for given in _populated(body):
            proxy = self._made(given)
            existing = self.proxies.get(proxy.name)
            if existing is not None:
                if not await existing.differs(proxy.listen, proxy.upstream):
                    done.append(existing)
                    continue
                await existing.close()
            if given.get("enabled", True):
                await proxy.start()
            self.proxies[proxy.name] = proxy
            done.append(proxy)

    async def reset(self) -> None:
        """Enable every proxy and remove every toxic.

        Raises:
            ApiError: a proxy cannot listen; those after it are as they were.
        """
        for proxy in list(self.proxies.values()):
            await proxy.start()
            proxy.remove_toxics()

    def _made(self, given: dict[str, Any]) -> Proxy:
        name = given["name"]
        surroundings = Surroundings(Draws(self.seed, name), self.metrics)
        return Proxy(name, given.get("listen", ""), given["upstream"], surroundings)


def without_toxics(body: Any) -> str:
    """Says whose toxics are not added, where proxies to be made come with some; "" where none do.

    The original ignores them as well, and says nothing.
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
    """Log what `without_toxics` says."""
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
