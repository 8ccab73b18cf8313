"""Toxics as typed values with units in their names; a toxic without effect is refused.

Toxiproxy answers 200 to a misspelt attribute and injects nothing, and it crashes if some attributes are
missing. Here an attribute is a field, and a value out of range is not sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import ClassVar, TypeVar

from overbooked.errors import FaultError

_LONGEST_MS = 24 * 3600 * 1000


class Stream(StrEnum):
    """The direction of the bytes that a toxic affects: to the server, or back to the client."""

    UPSTREAM = "upstream"
    DOWNSTREAM = "downstream"


def _between(toxic: object, name: str, low: int, high: int) -> None:
    value = getattr(toxic, name)
    if type(value) is not int:
        raise FaultError(f"{type(toxic).__name__}.{name} must be a whole number, got {value!r}")
    if not low <= value <= high:
        raise FaultError(f"{type(toxic).__name__}.{name} must be from {low} to {high}, got {value}")


@dataclass(frozen=True, slots=True)
class Latency:
    """Delays everything by `latency_ms`, plus or minus up to `jitter_ms`."""

    type: ClassVar[str] = "latency"
    wire: ClassVar[Mapping[str, str]] = {"latency_ms": "latency", "jitter_ms": "jitter"}

    latency_ms: int
    jitter_ms: int = 0

    def __post_init__(self) -> None:
        _between(self, "latency_ms", 0, _LONGEST_MS)
        _between(self, "jitter_ms", 0, _LONGEST_MS)
        if self.latency_ms == self.jitter_ms == 0:
            raise FaultError("Latency of 0 ms without jitter does nothing")

    def __str__(self) -> str:
        return f"latency {self.latency_ms} ms" + (f" +/- {self.jitter_ms} ms" if self.jitter_ms else "")


@dataclass(frozen=True, slots=True)
class Bandwidth:
    """Limits the throughput to `rate_kb_per_s` kilobytes (1000 bytes) per second."""

    type: ClassVar[str] = "bandwidth"
    wire: ClassVar[Mapping[str, str]] = {"rate_kb_per_s": "rate"}

    rate_kb_per_s: int

    def __post_init__(self) -> None:
        # Toxiproxy stalls at rate 0; use Timeout for a stall.
        _between(self, "rate_kb_per_s", 1, 10**9)

    def __str__(self) -> str:
        return f"bandwidth {self.rate_kb_per_s} kB/s"


@dataclass(frozen=True, slots=True)
class SlowClose:
    """Delays the end of a connection by `delay_ms`."""

    type: ClassVar[str] = "slow_close"
    wire: ClassVar[Mapping[str, str]] = {"delay_ms": "delay"}

    delay_ms: int

    def __post_init__(self) -> None:
        _between(self, "delay_ms", 1, _LONGEST_MS)

    def __str__(self) -> str:
        return f"slow close {self.delay_ms} ms"


@dataclass(frozen=True, slots=True)
class Timeout:
    """Drops all data; closes a connection after `timeout_ms` without data, never if 0.

    Its removal closes every connection that it affects.
    """

    type: ClassVar[str] = "timeout"
    wire: ClassVar[Mapping[str, str]] = {"timeout_ms": "timeout"}

    timeout_ms: int = 0

    def __post_init__(self) -> None:
        _between(self, "timeout_ms", 0, _LONGEST_MS)

    def __str__(self) -> str:
        return f"stall, closed after {self.timeout_ms} ms" if self.timeout_ms else "stall"


@dataclass(frozen=True, slots=True)
class ResetPeer:
    """Closes a connection `timeout_ms` after its first byte.

    Connections made while the toxic is active get a reset; older ones get an end of stream.
    """

    type: ClassVar[str] = "reset_peer"
    wire: ClassVar[Mapping[str, str]] = {"timeout_ms": "timeout"}

    timeout_ms: int = 0

    def __post_init__(self) -> None:
        _between(self, "timeout_ms", 0, _LONGEST_MS)

    def __str__(self) -> str:
        return "reset" + (f" after {self.timeout_ms} ms" if self.timeout_ms else "")


@dataclass(frozen=True, slots=True)
class Slicer:
    """Splits data into pieces of `average_size_bytes` +/- `size_variation_bytes`, `delay_us` apart."""

    type: ClassVar[str] = "slicer"
    wire: ClassVar[Mapping[str, str]] = {
        "average_size_bytes": "average_size",
        "size_variation_bytes": "size_variation",
        "delay_us": "delay",
    }

    average_size_bytes: int
    size_variation_bytes: int = 0
    delay_us: int = 0

    def __post_init__(self) -> None:
        # With a size below 1, or a variation as large as the size, Toxiproxy recurses until it crashes.
        _between(self, "average_size_bytes", 1, 2**31 - 1)
        _between(self, "size_variation_bytes", 0, self.average_size_bytes - 1)
        _between(self, "delay_us", 0, 1000 * _LONGEST_MS)

    def __str__(self) -> str:
        return f"slices of {self.average_size_bytes} bytes" + (
            f", {self.delay_us} us apart" if self.delay_us else ""
        )


@dataclass(frozen=True, slots=True)
class LimitData:
    """Closes a connection after `limit_bytes` bytes."""

    type: ClassVar[str] = "limit_data"
    wire: ClassVar[Mapping[str, str]] = {"limit_bytes": "bytes"}

    limit_bytes: int

    def __post_init__(self) -> None:
        _between(self, "limit_bytes", 0, 2**62)

    def __str__(self) -> str:
        return f"limit of {self.limit_bytes} bytes"


AnyToxic = Latency | Bandwidth | SlowClose | Timeout | ResetPeer | Slicer | LimitData
KINDS: tuple[type[AnyToxic], ...] = (Latency, Bandwidth, SlowClose, Timeout, ResetPeer, Slicer, LimitData)

_T = TypeVar("_T", bound=AnyToxic)


def attributes_of(toxic: AnyToxic) -> dict[str, int]:
    """Return the attributes with the names and units of Toxiproxy's API."""
    return {wire: getattr(toxic, name) for name, wire in toxic.wire.items()}


def toxic_of(type_: str, attributes: Mapping[str, object]) -> AnyToxic:
    """Create a toxic from its type and attributes in the API.

    Raises:
        FaultError: the type is unknown, or an attribute is unknown, missing or out of range.
    """
    kind = next((kind for kind in KINDS if kind.type == type_), None)
    if kind is None:
        known = ", ".join(kind.type for kind in KINDS)
        raise FaultError(f"unknown toxic type {type_!r}; known are {known}")
    if set(attributes) != set(kind.wire.values()):
        raise FaultError(
            f"{type_} has the attributes {', '.join(sorted(kind.wire.values()))}, "
            f"found {', '.join(sorted(attributes)) or 'none'}"
        )
    return _built(kind, {name: attributes[wire] for name, wire in kind.wire.items()})


def _built(kind: type[_T], values: Mapping[str, object]) -> _T:
    assert {field.name for field in fields(kind)} == set(values)
    return kind(**values)  # type: ignore[arg-type]  # __post_init__ checks their types
