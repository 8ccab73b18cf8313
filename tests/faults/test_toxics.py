"""A toxic without an effect, or that harms the server, is refused."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from overbooked.errors import FaultError
from overbooked.toxiproxy.toxics import (
    AnyToxic,
    Bandwidth,
    Latency,
    LimitData,
    ResetPeer,
    Slicer,
    SlowClose,
    Timeout,
    attributes_of,
    toxic_of,
)

EACH = [
    (Latency(80, 20), "latency", {"latency": 80, "jitter": 20}, "latency 80 ms +/- 20 ms"),
    (Bandwidth(100), "bandwidth", {"rate": 100}, "bandwidth 100 kB/s"),
    (SlowClose(5), "slow_close", {"delay": 5}, "slow close 5 ms"),
    (Timeout(), "timeout", {"timeout": 0}, "stall"),
    (Timeout(9), "timeout", {"timeout": 9}, "stall, closed after 9 ms"),
    (ResetPeer(), "reset_peer", {"timeout": 0}, "reset"),
    (ResetPeer(9), "reset_peer", {"timeout": 9}, "reset after 9 ms"),
    (
        Slicer(10, 2, 3),
        "slicer",
        {"average_size": 10, "size_variation": 2, "delay": 3},
        "slices of 10 bytes, 3 us apart",
    ),
    (LimitData(0), "limit_data", {"bytes": 0}, "limit of 0 bytes"),
]


@pytest.mark.parametrize(("toxic", "type_", "attributes", "words"), EACH)
def test_a_toxic_goes_to_the_api_and_comes_back(
    toxic: AnyToxic, type_: str, attributes: dict[str, int], words: str
) -> None:
    assert (toxic.type, attributes_of(toxic), str(toxic)) == (type_, attributes, words)
    assert toxic_of(type_, attributes) == toxic


@pytest.mark.parametrize(
    "make",
    [
        lambda: Latency(0),
        lambda: Latency(-1),
        lambda: Latency(1, -1),
        lambda: Latency(1.5),  # type: ignore[arg-type]
        lambda: Latency(True),
        lambda: Latency(10**12),
        lambda: Bandwidth(0),
        lambda: SlowClose(0),
        lambda: Timeout(-1),
        lambda: ResetPeer(-1),
        lambda: Slicer(0),
        lambda: Slicer(10, 10),
        lambda: Slicer(10, -1),
        lambda: Slicer(10, 1, -1),
        lambda: LimitData(-1),
    ],
)
def test_a_value_that_does_nothing_or_harm_is_refused(make: Callable[[], AnyToxic]) -> None:
    with pytest.raises(FaultError):
        make()


def test_a_refusal_names_what_was_wanted_and_found() -> None:
    with pytest.raises(FaultError, match=r"Slicer.size_variation_bytes must be from 0 to 9, got 10"):
        Slicer(10, 10)


@pytest.mark.parametrize(
    ("type_", "attributes", "why"),
    [
        ("noop", {}, "unknown toxic type 'noop'; known are latency, "),
        ("latency", {"latency": 1}, "latency has the attributes jitter, latency, found latency"),
        ("latency", {"latency": 1, "jitter": 0, "x": 1}, "found jitter, latency, x"),
        ("timeout", {}, "found none"),
        ("timeout", {"timeout": "5"}, "must be a whole number, got '5'"),
    ],
)
def test_what_a_server_describes_must_be_whole(type_: str, attributes: dict[str, object], why: str) -> None:
    with pytest.raises(FaultError, match=why):
        toxic_of(type_, attributes)
