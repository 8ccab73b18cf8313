"""The measurements of a load: HdrHistograms that merge across processes, and the operations."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from hdrh.histogram import HdrHistogram

from overbooked.histories import History, Operation

# Microseconds, to three significant digits, up to an hour.
_HIGHEST_US: Final = 3_600_000_000
_DIGITS: Final = 3


class Latencies:
    """Durations in an HdrHistogram; those beyond its range count as its maximum."""

    def __init__(self) -> None:
        self._histogram = HdrHistogram(1, _HIGHEST_US, _DIGITS)

    def record(self, seconds: float) -> None:
        self._histogram.record_value(min(max(round(seconds * 1e6), 1), _HIGHEST_US))

    def add(self, other: Latencies) -> None:
        self._histogram.add(other._histogram)

    def __len__(self) -> int:
        return int(self._histogram.get_total_count())

    def ms(self, percentile: float) -> float:
        """Return the value at a percentile (0 to 100) in milliseconds; 0 without any record."""
        return float(self._histogram.get_value_at_percentile(percentile)) / 1000 if len(self) else 0.0

    def as_figures(self) -> dict[str, float]:
        """Return the count and the usual percentiles in milliseconds."""
        figures: dict[str, float] = {"count": len(self)}
        for percentile in (50, 95, 99, 100):
            name = "max_ms" if percentile == 100 else f"p{percentile}_ms"
            figures[name] = round(self.ms(percentile), 2)
        return figures

    def encoded(self) -> str:
        """Return HdrHistogram's compressed form (V2, base64), which other tools read."""
        return bytes(self._histogram.encode()).decode()

    @classmethod
    def decoded(cls, text: str) -> Latencies:
        latencies = cls()
        latencies._histogram.decode_and_add(text.encode())
        return latencies


@dataclass(slots=True)
class Measured:
    """The measurements of one or several generator processes.

    Args:
        intended: arrivals that were scheduled.
        sent: arrivals that began.
        unfinished: arrivals that had begun and not ended at the end of the load.
        visits: whole visits, from their intended start.
        lag: the delay of the start of visits.
        requests: single requests by verb: the first from its visit's intended start, each other from
            the answer before it.
        operations: every request with its outcome.
        mistakes: failures of the generator itself.
    """

    intended: int = 0
    sent: int = 0
    unfinished: int = 0
    visits: Latencies = field(default_factory=Latencies)
    lag: Latencies = field(default_factory=Latencies)
    requests: dict[str, Latencies] = field(default_factory=dict)
    operations: list[Operation] = field(default_factory=list)
    mistakes: list[str] = field(default_factory=list)

    @property
    def history(self) -> History:
        return History.of(self.operations)

    @property
    def outcomes(self) -> dict[str, int]:
        """Return the numbers of requests that ended ok, refused and unknown."""
        counts = {"ok": 0, "refused": 0, "unknown": 0}
        for op in self.operations:
            counts[op.outcome.value] += 1
        return counts

    @property
    def error_share(self) -> float:
        """The share of requests without a definite answer; 0 when there were none."""
        return self.outcomes["unknown"] / len(self.operations) if self.operations else 0.0

    def request(self, verb: str, seconds: float) -> None:
        self.requests.setdefault(verb, Latencies()).record(seconds)

    def as_line(self) -> str:
        """Return it as one line of JSON."""
        return json.dumps(
            {
                "intended": self.intended,
                "sent": self.sent,
                "unfinished": self.unfinished,
                "visits": self.visits.encoded(),
                "lag": self.lag.encoded(),
                "requests": {verb: latencies.encoded() for verb, latencies in self.requests.items()},
                "operations": [op.as_dict() for op in self.operations],
                "mistakes": self.mistakes,
            }
        )

    @classmethod
    def from_line(cls, line: str) -> Measured:
        said: Mapping[str, Any] = json.loads(line)
        return cls(
            intended=said["intended"],
            sent=said["sent"],
            unfinished=said["unfinished"],
            visits=Latencies.decoded(said["visits"]),
            lag=Latencies.decoded(said["lag"]),
            requests={verb: Latencies.decoded(text) for verb, text in said["requests"].items()},
            operations=[Operation.from_dict(entry) for entry in said["operations"]],
            mistakes=list(said["mistakes"]),
        )

    @classmethod
    def together(cls, parts: Iterable[Measured]) -> Measured:
        """Merge the measurements of several processes."""
        whole = cls()
        for part in parts:
            whole.intended += part.intended
            whole.sent += part.sent
            whole.unfinished += part.unfinished
            whole.visits.add(part.visits)
            whole.lag.add(part.lag)
            for verb, latencies in part.requests.items():
                whole.requests.setdefault(verb, Latencies()).add(latencies)
            whole.operations += part.operations
            whole.mistakes += part.mistakes
        return whole
