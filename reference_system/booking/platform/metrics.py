"""Metrics of one process, for Prometheus and for the control plane."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class Metrics:
    """The counters of this process; a domain adds its own to `registry`."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        labels = ("method", "route", "status")
        self.requests = Counter(
            "booking_http_requests", "HTTP requests answered", labels, registry=self.registry
        )
        self.latency = Histogram(
            "booking_http_request_seconds",
            "Time to answer an HTTP request",
            ("method", "route"),
            buckets=BUCKETS_S,
            registry=self.registry,
        )
        self.in_flight = Gauge(
            "booking_http_requests_in_flight", "HTTP requests being answered", registry=self.registry
        )

    def text(self) -> bytes:
        """Return all metrics in Prometheus's text format."""
        return generate_latest(self.registry)

    def counters(self) -> dict[str, float]:
        """Return every sample except histogram buckets, by name and labels."""
        return {
            sample.name + "".join(f"{{{k}={v}}}" for k, v in sample.labels.items()): sample.value
            for family in self.registry.collect()
            for sample in family.samples
            if not sample.name.endswith(("_bucket", "_created"))
        }
