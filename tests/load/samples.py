"""A small load profile, and sample measurements."""

from __future__ import annotations

from typing import Any

from overbooked.load.measurements import Measured
from overbooked.load.profile import LoadProfile
from tests.histories.writing import ok, refused, unknown


def profile(**changes: Any) -> LoadProfile:
    """Forty arrivals in a second, on two slots."""
    return LoadProfile.model_validate(
        {
            "name": "small",
            "rate": 40,
            "seconds": 1,
            "people": 3,
            "slots": 2,
            "capacity": 5,
            "patience_s": 2,
            "journeys": {"book": 1},
            "objectives": {"p95_ms": 1000, "error_share": 0.1},
            "validity": {"lag_p99_ms": 2000},
        }
        | changes
    )


def measured(
    *, intended: int = 100, sent: int = 100, visit_s: float = 0.01, lag_s: float = 0.001, failed: int = 0
) -> Measured:
    """Measurements of arrivals with equal durations; `failed` requests had no answer."""
    found = Measured(intended=intended, sent=sent)
    for n in range(sent):
        found.visits.record(visit_s)
        found.lag.record(lag_s)
        found.request("book", visit_s)
        done = unknown if n < failed else refused if n % 2 else ok
        args = {"result": f"b{n}"} if done is ok else {}
        found.operations.append(done("ana", n, n + visit_s, "book", slot="A", **args))
    return found
