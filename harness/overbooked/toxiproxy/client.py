"""A strict client of Toxiproxy's API: it raises unless the server did exactly what was requested.

It checks names, addresses and attributes before it sends a request, and compares the state in the server's
response with the request. It blocks; a coroutine must call it in a thread.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

from overbooked.errors import FaultError
from overbooked.toxiproxy.http import ApiRequests
from overbooked.toxiproxy.state import ProxyState, ToxicState, proxy_state, toxic_state
from overbooked.toxiproxy.toxics import AnyToxic, Stream, attributes_of

# A name becomes part of a path, which Toxiproxy's router decodes and then splits at slashes.
_NAME = re.compile(r"[^/\s\x00-\x1f\x7f]{1,200}")
_VERSION = re.compile(r"\d+(\.[\w-]+)+")
_ADDRESS = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\s:/\[\]]*):\d{1,5}")


class ToxiproxyClient:
    """A client of one Toxiproxy server.

    Args:
        url: the URL of its API, e.g. `http://127.0.0.1:8474`.
        timeout_s: the time limit in seconds for connecting, and for the answer.

    Every method raises FaultError if the server does not answer in time, refuses the request, or reports
    a state other than requested.
    """

    def __init__(self, url: str, *, timeout_s: float = 5.0) -> None:
        exchange = ApiRequests(url, timeout_s)
        self.url, self.host = exchange.url, exchange.host
        self._ask = exchange.ask
        self._seeded: bool | None = None

    # -- the server ----------------------------------------------------------------------------

    def version(self) -> str:
        """The server's version, from plain text or JSON; `unknown` for a build that answers `git`."""
        reply = self._ask("GET", "/version")
        if _VERSION.fullmatch(plain := reply.body.decode("utf-8", "replace").strip()):
            return plain
        said = reply.value()
        found = said.get("version") if isinstance(said, dict) else None
        if not isinstance(found, str):
            raise FaultError(f"Toxiproxy at {self.url} should answer its version, it answered {said!r}")
        return "unknown" if found == "git" else found

    @property
    def seeded(self) -> bool:
        """Whether the server's randomness (jitter, toxicity, slices) is determined by a seed.

        The original server's is not: since version 2.9 it ignores its `-seed` option.
        """
        if self._seeded is None:
            self._seeded = "X-Overbooked-Seed" in self._ask("GET", "/version").headers
        return self._seeded

    def reset(self) -> None:
        """Enable every proxy and remove every toxic of the server, including those of other clients."""
        self._ask("POST", "/reset")
        for state in self.proxies().values():
            if state.toxics or not state.enabled:
                raise FaultError(f"Toxiproxy at {self.url} was reset, but {state.name} is not: {state}")

    # -- proxies -------------------------------------------------------------------------------

    def proxies(self) -> dict[str, ProxyState]:
        """Return every proxy, by name."""
        found = self._ask("GET", "/proxies").value()
        if not isinstance(found, dict):
            raise FaultError(f"Toxiproxy at {self.url} should list its proxies, it answered {found!r}")
        return {name: proxy_state(value) for name, value in found.items()}

    def proxy(self, name: str) -> ProxyState:
        """Return one proxy."""
        return proxy_state(self._ask("GET", _path(name)).value())

    def create(
        self, name: str, upstream: str, *, listen: str = "127.0.0.1:0", enabled: bool = True
    ) -> ProxyState:
        """Add a proxy.

        Args:
            upstream: `host:port` to connect to; the server there may start later.
            listen: `host:port` to listen on; port 0 selects a free port, which is in the returned state.
        """
        asked = {
            "name": _checked_name(name, "proxy"),
            "upstream": _checked_address(upstream, "upstream"),
            "listen": _checked_address(listen, "listen"),
            "enabled": enabled,
        }
        state = proxy_state(self._ask("POST", "/proxies", asked).value())
        self._compare(f"proxy {name}", (name, upstream, enabled), (state.name, state.upstream, state.enabled))
        return state

    def update(
        self,
        name: str,
        *,
        upstream: str | None = None,
        listen: str | None = None,
        enabled: bool | None = None,
    ) -> ProxyState:
        """Change a proxy; a changed address, or disabling it, closes its connections."""
        asked: dict[str, Any] = {}
        if upstream is not None:
            asked["upstream"] = _checked_address(upstream, "upstream")
        if listen is not None:
            asked["listen"] = _checked_address(listen, "listen")
        if enabled is not None:
            asked["enabled"] = enabled
        state = proxy_state(self._ask("PATCH", _path(name), asked).value())
        found = {"upstream": state.upstream, "enabled": state.enabled}
        wanted = {key: value for key, value in asked.items() if key in found}
        self._compare(f"proxy {name}", wanted, {key: found[key] for key in wanted})
        return state

    def delete(self, name: str) -> None:
        """Remove a proxy with its toxics and connections."""
        self._ask("DELETE", _path(name))

    def populate(self, upstreams: Mapping[str, str]) -> dict[str, ProxyState]:
        """Create or replace these proxies, without toxics, on free loopback ports; all of them or none.

        Toxiproxy's own /populate stops at the first error and keeps the toxics of a proxy that is already as
        requested. Proxies with other names are not changed.

        Args:
            upstreams: `host:port` by proxy name.
        """
        for name, upstream in upstreams.items():
            _checked_name(name, "proxy")
            _checked_address(upstream, "upstream")
        before = self.proxies()
        made: dict[str, ProxyState] = {}
        try:
            for name, upstream in upstreams.items():
                if name in before:
                    self.delete(name)
                made[name] = self.create(name, upstream)
        except FaultError:
            self._restore(made, [before[name] for name in upstreams if name in before])
            raise
        return made

    def _restore(self, made: Iterable[str], before: Iterable[ProxyState]) -> None:
        for name in made:
            self.delete(name)
        there = self.proxies()
        for state in before:
            if state.name in there:
                continue
            self.create(state.name, state.upstream, listen=state.listen, enabled=state.enabled)
            for toxic in state.toxics:
                self.add(
                    state.name, toxic.toxic, name=toxic.name, stream=toxic.stream, toxicity=toxic.toxicity
                )

    # -- toxics --------------------------------------------------------------------------------

    def toxics(self, proxy: str) -> tuple[ToxicState, ...]:
        """Return the toxics of a proxy, upstream before downstream."""
        found = self._ask("GET", f"{_path(proxy)}/toxics").value()
        if not isinstance(found, list):
            raise FaultError(f"Toxiproxy at {self.url} lists the toxics of {proxy} as {found!r}")
        return tuple(toxic_state(value) for value in found)

    def add(
        self,
        proxy: str,
        toxic: AnyToxic,
        *,
        name: str = "",
        stream: Stream = Stream.DOWNSTREAM,
        toxicity: float = 1.0,
    ) -> ToxicState:
        """Add a toxic to a proxy; it affects open connections too.

        Args:
            name: the toxic's name, unique on its proxy; `TYPE_STREAM` if empty.
            toxicity: the share of connections that it affects, above 0 and at most 1.
        """
        wanted = ToxicState(
            _checked_name(name or f"{toxic.type}_{stream}", "toxic"),
            Stream(stream),
            _checked_toxicity(toxicity),
            toxic,
        )
        asked = {
            "name": wanted.name,
            "type": toxic.type,
            "stream": wanted.stream.value,
            "toxicity": toxicity,
            "attributes": attributes_of(toxic),
        }
        path = f"{_path(proxy)}/toxics"
        try:
            found = toxic_state(self._ask("POST", path, asked).value())
            self._compare(f"toxic {wanted.name} on {proxy}", wanted, found)
        except _Unlike:
            # The active toxic differs from the request, so it is removed.
            self.remove(proxy, wanted.name)
            raise
        return found

    def change(self, proxy: str, name: str, toxic: AnyToxic, *, toxicity: float | None = None) -> ToxicState:
        """Change a toxic's attributes or toxicity; its type cannot change."""
        asked: dict[str, Any] = {"attributes": attributes_of(toxic)}
        if toxicity is not None:
            asked["toxicity"] = _checked_toxicity(toxicity)
        path = f"{_path(proxy)}/toxics/{quote(_checked_name(name, 'toxic'), safe='')}"
        before = toxic_state(self._ask("GET", path).value())
        if before.toxic.type != toxic.type:
            # Toxiproxy would accept the request, keep the type and ignore the attributes.
            raise FaultError(f"toxic {name} on {proxy} is of type {before.toxic.type}, not {toxic.type}")
        found = toxic_state(self._ask("PATCH", path, asked).value())
        wanted = ToxicState(
            before.name, before.stream, before.toxicity if toxicity is None else toxicity, toxic
        )
        self._compare(f"toxic {name} on {proxy}", wanted, found)
        return found

    def remove(self, proxy: str, name: str) -> None:
        """Remove a toxic."""
        self._ask("DELETE", f"{_path(proxy)}/toxics/{quote(_checked_name(name, 'toxic'), safe='')}")

    def _compare(self, what: str, wanted: object, found: object) -> None:
        if wanted != found:
            raise _Unlike(f"Toxiproxy at {self.url} made another {what}: wanted {wanted}, found {found}")


class _Unlike(FaultError):
    """The state that the server reports differs from the request."""


def _path(proxy: str) -> str:
    return f"/proxies/{quote(_checked_name(proxy, 'proxy'), safe='')}"


def _checked_name(name: str, of: str) -> str:
    if not _NAME.fullmatch(name):
        raise FaultError(
            f"the name of a {of} must have 1 to 200 characters without slash and space, got {name!r}"
        )
    return name


def _checked_address(address: str, of: str) -> str:
    if not _ADDRESS.fullmatch(address) or int(address.rpartition(":")[2]) > 65535:
        raise FaultError(f"{of} must be host:port, got {address!r}")
    return address


def _checked_toxicity(toxicity: float) -> float:
    if not 0 < toxicity <= 1:
        raise FaultError(f"toxicity must be above 0 and at most 1, got {toxicity!r}")
    return toxicity
