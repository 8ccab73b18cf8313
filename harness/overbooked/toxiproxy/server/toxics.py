"""A proxy's toxics: their types, their JSON, and the parsing of requests."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from overbooked.toxiproxy.server import effects
from overbooked.toxiproxy.server.chunks import StageControl
from overbooked.toxiproxy.server.decoding import Shape, fields, float32_text
from overbooked.toxiproxy.server.errors import bad_body, invalid_stream, invalid_type

UPSTREAM, DOWNSTREAM = 0, 1
_DIRECTIONS = {"upstream": UPSTREAM, "downstream": DOWNSTREAM}


def _no_refusal(_: Mapping[str, int]) -> str | None:
    return None


@dataclass(frozen=True, slots=True)
class ToxicKind:
    """A type of toxic.

    `buffer` is how many chunks are queued before the source is paused. `refusal` returns the reason to refuse
    attributes with which the original crashes, else None.
    """

    pipe: Callable[[StageControl], Awaitable[None]]
    shape: Shape
    buffer: int = 0
    closes_when_removed: bool = False
    resets: bool = False
    refusal: Callable[[Mapping[str, int]], str | None] = _no_refusal


def _shape(struct: str, **attributes: str) -> Shape:
    return Shape(struct, f"toxics.{struct}", attributes)


def _bandwidth_refusal(attributes: Mapping[str, int]) -> str | None:
    return "rate must not be negative" if attributes["rate"] < 0 else None


def _slicer_refusal(attributes: Mapping[str, int]) -> str | None:
    if attributes["average_size"] < 1:
        return "average_size must be at least 1"
    if not 0 <= attributes["size_variation"] < attributes["average_size"]:
        return "size_variation must be from 0 to less than average_size"
    return None


KINDS: dict[str, ToxicKind] = {
    "bandwidth": ToxicKind(
        effects.bandwidth, _shape("BandwidthToxic", rate="int64"), refusal=_bandwidth_refusal
    ),
    "latency": ToxicKind(
        effects.latency,
        _shape("LatencyToxic", latency="int64", jitter="int64"),
        buffer=effects.LATENCY_BUFFER,
    ),
    "limit_data": ToxicKind(effects.limit_data, _shape("LimitDataToxic", bytes="int64")),
    "noop": ToxicKind(effects.noop, _shape("NoopToxic")),
    "reset_peer": ToxicKind(effects.reset_peer, _shape("ResetToxic", timeout="int64"), resets=True),
    "slicer": ToxicKind(
        effects.slicer,
        _shape("SlicerToxic", average_size="int", size_variation="int", delay="int"),
        refusal=_slicer_refusal,
    ),
    "slow_close": ToxicKind(effects.slow_close, _shape("SlowCloseToxic", delay="int64")),
    "timeout": ToxicKind(effects.timeout, _shape("TimeoutToxic", timeout="int64"), closes_when_removed=True),
}

_WRAPPER = Shape(
    "ToxicWrapper",
    "toxics.ToxicWrapper",
    {
        "attributes": KINDS["noop"].shape,
        "name": "string",
        "type": "string",
        "stream": "string",
        "toxicity": "float32",
    },
)


@dataclass(slots=True, eq=False)
class Toxic:
    """One toxic of a proxy. `attributes` have the API's names and units.

    The rank of a later connection for the toxic (randomness.py) is its number plus `rank_offset`; connections
    that are open when the toxic is added are numbered from 0.
    """

    name: str
    type: str
    stream: str
    direction: int
    toxicity: float
    kind: ToxicKind
    attributes: dict[str, int]
    rank_offset: int = 0

    def as_dict(self) -> dict[str, Any]:
        return {
            "attributes": self.attributes,
            "name": self.name,
            "type": self.type,
            "stream": self.stream,
            "toxicity": float32_text(self.toxicity),
        }


def read_toxic(body: Any, taken: Callable[[str], None]) -> Toxic:
    """Create a toxic from a parsed request body.

    Args:
        body: the result of `decoding.parse`.
        taken: called with the toxic's name; raises if the name is in use.

    Raises:
        ApiError: as in the original, and if `ToxicKind.refusal` returns a reason.
    """
    given = fields(body, _WRAPPER)
    stream = given.get("stream", "downstream")
    direction = _DIRECTIONS.get(stream.lower())
    if direction is None:
        raise invalid_stream()
    type_ = given.get("type", "")
    kind = KINDS.get(type_)
    if kind is None:
        raise invalid_type()
    name = given.get("name") or f"{type_}_{stream}"
    taken(name)
    attributes = dict.fromkeys(kind.shape.fields, 0)
    attributes.update(_attributes(body, kind))
    _refuse(kind, attributes)
    return Toxic(name, type_, stream, direction, given.get("toxicity", 1.0), kind, attributes)


def change_toxic(toxic: Toxic, body: Any) -> None:
    """Change attributes and toxicity; on an error nothing is changed.

    Raises:
        ApiError: as in the original, and if `ToxicKind.refusal` returns a reason.
    """
    update = Shape("", 'struct { Attributes interface {} "json:\\"attributes\\""; '
                   'Toxicity float32 "json:\\"toxicity\\"" }',
                   {"attributes": toxic.kind.shape, "toxicity": "float32"})  # fmt: skip
    given = fields(body, update)
    attributes = {**toxic.attributes, **given.get("attributes", {})}
    _refuse(toxic.kind, attributes)
    toxic.attributes = attributes
    toxic.toxicity = given.get("toxicity", toxic.toxicity)


def _attributes(body: Any, kind: ToxicKind) -> dict[str, int]:
    found: dict[str, int] = fields(body, Shape("", "", {"attributes": kind.shape})).get("attributes", {})
    return found


def _refuse(kind: ToxicKind, attributes: Mapping[str, int]) -> None:
    why = kind.refusal(attributes)
    if why is not None:
        raise bad_body(why)
