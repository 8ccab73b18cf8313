"""A strict client of Toxiproxy's API: what it says was done was done, or it raises.

Names, addresses and attributes are checked before anything is sent, and what the server echoes is
compared with what was asked. Blocking; from a coroutine call it in a thread.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

from overbooked.errors import FaultError
from overbooked.toxiproxy.http import Exchange
from overbooked.toxiproxy.state import ProxyState, ToxicState, proxy_state, toxic_state
from overbooked.toxiproxy.toxics import AnyToxic, Stream, attributes_of

# A name becomes a part of a path, which Toxiproxy's router splits at slashes after decoding.
_NAME = re.compile(r"[^/\s\x00-\x1f\x7f]{1,200}")
_ADDRESS = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\s:/\[\]]*):\d{1,5}")


class ToxiproxyClient:
    """One Toxiproxy.

    Args:
        url: its API, e.g. `http://127.0.0.1:8474`.
        timeout_s: how long it may take to connect and to answer, each.

    Every method raises FaultError when the server does not answer in time, refuses, or answers with
    something else than what was asked for.
    """

    def __init__(self, url: str, *, timeout_s: float = 5.0) -> None:
        exchange = Exchange(url, timeout_s)
        self.url, self.host = exchange.url, exchange.host
        self._ask = exchange.ask
        self._seeded: bool | None = None

    # -- the server ----------------------------------------------------------------------------

    def version(self) -> str:
        """Its version; `unknown` for one that was built without being told, which calls itself git."""
        said = self._ask("GET", "/version").value()
        found = said.get("version") if isinstance(said, dict) else None
        if not isinstance(found, str):
            raise FaultError(f"Toxiproxy at {self.url} should say its version, it says {said!r}")
        return "unknown" if found == "git" else found

    @property
    def seeded(self) -> bool:
        """Whether its chance (jitter, toxicity, slices) follows a seed.

        The real server's does not: its `-seed` is read and thrown away since 2.9.
        """
        if self._seeded is None:
            self._seeded = "X-Overbooked-Seed" in self._ask("GET", "/version").headers
        return self._seeded

    def reset(self) -> None:
        """Enable every proxy and remove every toxic, of everybody who uses this server."""
        self._ask("POST", "/reset")
        for state in self.proxies().values():
            if state.toxics or not state.enabled:
                raise FaultError(f"Toxiproxy at {self.url} was reset, but {state.name} is not: {state}")

    # -- proxies -------------------------------------------------------------------------------

    def proxies(self) -> dict[str, ProxyState]:
        """Every proxy by name."""
        found = self._ask("GET", "/proxies").value()
        if not isinstance(found, dict):
            raise FaultError(f"Toxiproxy at {self.url} should list its proxies, it says {found!r}")
        return {name: proxy_state(value) for name, value in found.items()}

    def proxy(self, name: str) -> ProxyState:
        """One proxy."""
        return proxy_state(self._ask("GET", _path(name)).value())

    def create(
        self, name: str, upstream: str, *, listen: str = "127.0.0.1:0", enabled: bool = True
    ) -> ProxyState:
        """Add a proxy.

        Args:
            upstream: `host:port` where it leads; nobody has to be there yet.
            listen: `host:port`; port 0 takes a free one, which the answer tells.
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
        """Change a proxy; a changed address closes its connections, and so does disabling it."""
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
        """Exactly these proxies, new and without toxics, on free loopback ports; all or none.

        Toxiproxy's own /populate stops half-way at an error and leaves the toxics of a proxy that it
        finds as wanted. Proxies of other names are left alone.

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
        """The toxics of a proxy, upstream before downstream."""
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
        """Put a toxic on a proxy; it holds for the connections there are, too.

        Args:
            name: `TYPE_STREAM` when empty; one of a name a proxy.
            toxicity: the share of connections it is for, above 0 to 1.
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
            # It is in force, though not as asked: nobody must be left with it.
            self.remove(proxy, wanted.name)
            raise
        return found

    def change(self, proxy: str, name: str, toxic: AnyToxic, *, toxicity: float | None = None) -> ToxicState:
        """Give a toxic of the same type other attributes, or another toxicity."""
        asked: dict[str, Any] = {"attributes": attributes_of(toxic)}
        if toxicity is not None:
            asked["toxicity"] = _checked_toxicity(toxicity)
        path = f"{_path(proxy)}/toxics/{quote(_checked_name(name, 'toxic'), safe='')}"
        before = toxic_state(self._ask("GET", path).value())
        if before.toxic.type != toxic.type:
            # Toxiproxy would take it, keep the type and ignore the attributes.
            raise FaultError(f"toxic {name} on {proxy} is of type {before.toxic.type}, not {toxic.type}")
        found = toxic_state(self._ask("PATCH", path, asked).value())
        wanted = ToxicState(
            before.name, before.stream, before.toxicity if toxicity is None else toxicity, toxic
        )
        self._compare(f"toxic {name} on {proxy}", wanted, found)
        return found

    def remove(self, proxy: str, name: str) -> None:
        """Take a toxic away."""
        self._ask("DELETE", f"{_path(proxy)}/toxics/{quote(_checked_name(name, 'toxic'), safe='')}")

    def _compare(self, what: str, wanted: object, found: object) -> None:
        if wanted != found:
            raise _Unlike(f"Toxiproxy at {self.url} made another {what}: wanted {wanted}, found {found}")


class _Unlike(FaultError):
    """The server's echo is not what was asked for."""


def _path(proxy: str) -> str:
    return f"/proxies/{quote(_checked_name(proxy, 'proxy'), safe='')}"


def _checked_name(name: str, of: str) -> str:
    if not _NAME.fullmatch(name):
        raise FaultError(f"a {of}'s name has 1 to 200 characters, no slash and no space, got {name!r}")
    return name


def _checked_address(address: str, of: str) -> str:
    if not _ADDRESS.fullmatch(address) or int(address.rpartition(":")[2]) > 65535:
        raise FaultError(f"{of} is host:port, got {address!r}")
    return address


def _checked_toxicity(toxicity: float) -> float:
    if not 0 < toxicity <= 1:
        raise FaultError(f"toxicity is a share above 0 up to 1, got {toxicity!r}")
    return toxicity
