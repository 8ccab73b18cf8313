"""Byte counts and figures of the process, in Prometheus's text format.

Off by default, as in the original, because counted bytes cannot be passed directly between sockets. The
original updates its counts when a connection ends; this server updates them immediately.
"""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8; escaping=underscores"
# getrusage reports the resident set in kilobytes on Linux, in bytes on macOS.
_RSS_UNIT = 1 if sys.platform == "darwin" else 1024


class Labels(NamedTuple):
    """The labels of a count, with their values at the time when its connection was made."""

    direction: str
    listener: str
    proxy: str
    upstream: str


@dataclass(slots=True)
class Count:
    """Bytes read from the sources and written to the destinations of one direction."""

    received: int = 0
    sent: int = 0


class Metrics:
    """The content of `/metrics`.

    Args:
        proxies: whether bytes are counted.
        runtime: whether it includes figures of the process.
    """

    def __init__(self, *, proxies: bool = False, runtime: bool = False) -> None:
        self.proxies = proxies
        self.runtime = runtime
        self._counts: dict[Labels, Count] = {}

    @property
    def on(self) -> bool:
        return self.proxies or self.runtime

    def count(self, labels: Labels) -> Count | None:
        """Return the count for these labels; None if counting is off."""
        return self._counts.setdefault(labels, Count()) if self.proxies else None

    def text(self) -> str:
        """All metrics in Prometheus's text format."""
        lines: list[str] = []
        if self.runtime:
            usage = resource.getrusage(resource.RUSAGE_SELF)
            lines += _metric("process_cpu_seconds_total", "counter", [("", time.process_time())])
            lines += _metric(
                "process_max_resident_memory_bytes", "gauge", [("", usage.ru_maxrss * _RSS_UNIT)]
            )
        if self._counts:
            counts = sorted(self._counts.items())
            received = [(_braced(labels), count.received) for labels, count in counts]
            sent = [(_braced(labels), count.sent) for labels, count in counts]
            lines += _metric("toxiproxy_proxy_received_bytes_total", "counter", received)
            lines += _metric("toxiproxy_proxy_sent_bytes_total", "counter", sent)
        return "".join(f"{line}\n" for line in lines)


def _metric(name: str, kind: str, samples: Sequence[tuple[str, float]]) -> list[str]:
    values = [f"{name}{labels} {value:.15g}" for labels, value in samples]
    return [f"# HELP {name} ", f"# TYPE {name} {kind}", *values]


def _braced(labels: Labels) -> str:
    pairs = (f'{name}="{_escaped(value)}"' for name, value in labels._asdict().items())
    return f"{{{','.join(pairs)}}}"


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
