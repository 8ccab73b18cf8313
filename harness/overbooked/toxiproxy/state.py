"""What Toxiproxy says of its proxies and toxics, read strictly."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from overbooked.errors import FaultError
from overbooked.toxiproxy.toxics import AnyToxic, Stream, toxic_of


@dataclass(frozen=True, slots=True)
class ToxicState:
    """A toxic as it is in force."""

    name: str
    stream: Stream
    toxicity: float
    toxic: AnyToxic

    def __post_init__(self) -> None:
        # Toxiproxy keeps single precision: 0.3 comes back as 0.3, but 1/3 does not.
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
    """A proxy from the API's JSON.

    Raises:
        FaultError: it is not what the API should say.
    """
    return ProxyState(
        _text(value, "name"),
        _text(value, "listen"),
        _text(value, "upstream"),
        _of(value, "enabled", bool),
        tuple(toxic_state(toxic) for toxic in _of(value, "toxics", list)),
    )


def toxic_state(value: Any) -> ToxicState:
    """A toxic from the API's JSON.

    Raises:
        FaultError: it is not what the API should say.
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
        raise FaultError(f"Toxiproxy should say {key!r} of what it has, it says {value!r}")
    return value[key]
