"""Proxies and toxics as Toxiproxy reports them, parsed strictly."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from overbooked.errors import FaultError
from overbooked.toxiproxy.toxics import AnyToxic, Stream, toxic_of


@dataclass(frozen=True, slots=True)
class ToxicState:
    """An active toxic."""

    name: str
    stream: Stream
    toxicity: float
    toxic: AnyToxic

    def __post_init__(self) -> None:
        # Toxiproxy stores the toxicity in single precision, so it may differ from the requested value.
        single = struct.unpack("f", struct.pack("f", self.toxicity))[0]
        object.__setattr__(self, "toxicity", single)


@dataclass(frozen=True, slots=True)
class ProxyState:
    """A proxy; `listen` and `upstream` are `host:port`."""

    name: str
    listen: str
    upstream: str
    enabled: bool
    toxics: tuple[ToxicState, ...] = ()


def proxy_state(value: Any) -> ProxyState:
    """Parse a proxy from the API's JSON.

    Raises:
        FaultError: the JSON does not have the API's format.
    """
    return ProxyState(
        _text(value, "name"),
        _text(value, "listen"),
        _text(value, "upstream"),
        _of(value, "enabled", bool),
        tuple(toxic_state(toxic) for toxic in _of(value, "toxics", list)),
    )


def toxic_state(value: Any) -> ToxicState:
    """Parse a toxic from the API's JSON.

    Raises:
        FaultError: the JSON does not have the API's format.
    """
    stream = _text(value, "stream")
    if stream not in tuple(Stream):
        raise FaultError(f"a toxic's stream is upstream or downstream, found {stream!r}")
    toxicity = _of(value, "toxicity", (int, float))
    toxic = toxic_of(_text(value, "type"), _of(value, "attributes", dict))
    return ToxicState(_text(value, "name"), Stream(stream), float(toxicity), toxic)


def _text(value: Any, key: str) -> str:
    found: str = _of(value, key, str)
    return found


def _of(value: Any, key: str, kind: type | tuple[type, ...]) -> Any:
    if not isinstance(value, Mapping) or not isinstance(value.get(key), kind):
        raise FaultError(f"Toxiproxy should report {key!r}, it reported {value!r}")
    return value[key]
