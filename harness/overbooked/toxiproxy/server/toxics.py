"""A proxy's toxics: what the API says of them, how they are read, and which kinds there are."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from overbooked.toxiproxy.server import effects
from overbooked.toxiproxy.server.decoding import Shape, fields, float32_text
from overbooked.toxiproxy.server.errors import bad_body, invalid_stream, invalid_type

if TYPE_CHECKING:
    from overbooked.toxiproxy.server.stage import Stage

UPSTREAM, DOWNSTREAM = 0, 1
_DIRECTIONS = {"upstream": UPSTREAM, "downstream": DOWNSTREAM}


def _no_refusal(_: Mapping[str, int]) -> str | None:
    return None


@dataclass(frozen=True, slots=True)
class Kind:
    """A type of toxic.

    `buffer` is how many chunks wait before its source is held back. `refusal` says why attributes
    cannot be taken: those with which the original crashes.
    """

    pipe: Callable[[Stage], Awaitable[None]]
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


KINDS: dict[str, Kind] = {
    "bandwidth": Kind(effects.bandwidth, _shape("BandwidthToxic", rate="int64"), refusal=_bandwidth_refusal),
    "latency": Kind(
        effects.latency,
        _shape("LatencyToxic", latency="int64", jitter="int64"),
        buffer=effects.LATENCY_BUFFER,
    ),
    "limit_data": Kind(effects.limit_data, _shape("LimitDataToxic", bytes="int64")),
    "noop": Kind(effects.noop, _shape("NoopToxic")),
    "reset_peer": Kind(effects.reset_peer, _shape("ResetToxic", timeout="int64"), resets=True),
    "slicer": Kind(
        effects.slicer,
        _shape("SlicerToxic", average_size="int", size_variation="int", delay="int"),
        refusal=_slicer_refusal,
    ),
    "slow_close": Kind(effects.slow_close, _shape("SlowCloseToxic", delay="int64")),
    "timeout": Kind(effects.timeout, _shape("TimeoutToxic", timeout="int64"), closes_when_removed=True),
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
    """One toxic of a proxy. `attributes` are as the API has them, in the API's units.

    A connection's rank for the toxic (draws.py) is its number plus `rank_offset`, unless it was
    there before the toxic and is counted one by one.
    """

    name: str
    type: str
    stream: str
    direction: int
    toxicity: float
    kind: Kind
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
    """A toxic from a parsed request body.

    Args:
        body: what `decoding.parse` gave.
        taken: called with the toxic's name; raises when there is one of that name.

    Raises:
        ApiError: as the original; besides, where `Kind.refusal` says so.
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
    """Change attributes and toxicity, all or nothing.

    Raises:
        ApiError: as the original; besides, where `Kind.refusal` says so.
    """
    update = Shape("", 'struct { Attributes interface {} "json:\\"attributes\\""; '
                   'Toxicity float32 "json:\\"toxicity\\"" }',
                   {"attributes": toxic.kind.shape, "toxicity": "float32"})  # fmt: skip
    given = fields(body, update)
    attributes = {**toxic.attributes, **given.get("attributes", {})}
    _refuse(toxic.kind, attributes)
    toxic.attributes = attributes
    toxic.toxicity = given.get("toxicity", toxic.toxicity)


def _attributes(body: Any, kind: Kind) -> dict[str, int]:
    found: dict[str, int] = fields(body, Shape("", "", {"attributes": kind.shape})).get("attributes", {})
    return found


def _refuse(kind: Kind, attributes: Mapping[str, int]) -> None:
    why = kind.refusal(attributes)
    if why is not None:
        raise bad_body(why)
