"""The verdict on a load: whether it was valid, and whether its objectives were met."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from overbooked.errors import GapFound
from overbooked.load.measurements import Measured
from overbooked.load.profile import LoadProfile
from overbooked.verdicts.evidence import Finding
from overbooked.verdicts.scorecard import LoadScore
from overbooked.verdicts.verdict import Verdict


def why_invalid(profile: LoadProfile, measured: Measured) -> str:
    """Return why a load is invalid, "" if it is valid."""
    if measured.mistakes:
        return f"the generator failed: {measured.mistakes[0]}"
    if not measured.intended or not measured.operations:
        return "no request was sent"
    share = measured.sent / measured.intended
    if share < profile.validity.sent_share:
        return (
            f"{measured.sent} of {measured.intended} arrivals were sent, "
            f"expected at least {profile.validity.sent_share:.0%}: give the generator more CPU"
        )
    lag_ms = measured.lag.ms(99)
    if lag_ms > profile.validity.lag_p99_ms:
        return (
            f"the generator was {lag_ms:.0f} ms late (p99), expected {profile.validity.lag_p99_ms:g}: "
            f"give it more CPU or lower the rate"
        )
    return ""


def missed(profile: LoadProfile, measured: Measured) -> Finding | None:
    """Return a finding for the first objective that was not met; None if all were."""
    p95_ms = measured.visits.ms(95)
    if p95_ms > profile.objectives.p95_ms:
        return Finding(
            "visits take too long under load",
            expected=f"95 % within {profile.objectives.p95_ms:g} ms of their intended start",
            observed=f"p95 {p95_ms:.0f} ms, p99 {measured.visits.ms(99):.0f} ms of {len(measured.visits)}",
        )
    if measured.error_share > profile.objectives.error_share:
        failed = [str(op) for op in measured.operations if op.unknown]
        return Finding(
            "requests fail under load",
            expected=f"at most {profile.objectives.error_share:.1%} without a definite answer",
            observed=f"{len(failed)} of {len(measured.operations)}",
            operations=tuple(failed[:10]),
        )
    return None


def score(
    profile: LoadProfile, measured: Measured, *, broken: GapFound | None = None, duration_s: float = 0.0
) -> LoadScore:
    """Return the verdict on one load.

    Args:
        broken: an invariant that did not hold afterwards; it makes the verdict open, also of an invalid load.
        duration_s: total duration, including set-up and checks.
    """
    invalid = why_invalid(profile, measured)
    finding = missed(profile, measured)
    if broken is not None:
        finding = Finding(broken.what, broken.expected, broken.observed, broken.operations, broken.details)
        verdict, reason = Verdict.OPEN, broken.what
    elif invalid:
        finding, verdict, reason = None, Verdict.INCONCLUSIVE, invalid
    elif finding is not None:
        verdict, reason = Verdict.OPEN, finding.what
    else:
        verdict, reason = Verdict.CLOSED, ""
    return LoadScore(
        profile=profile.name,
        verdict=verdict,
        reason=reason,
        summary=summary(measured),
        figures=figures(profile, measured),
        finding=finding,
        duration_s=duration_s,
    )


def summary(measured: Measured) -> str:
    """Return the measurements in one line."""
    outcomes = measured.outcomes
    return (
        f"{measured.sent} of {measured.intended} arrivals sent, {len(measured.operations)} requests "
        f"({outcomes['refused']} refused, {outcomes['unknown']} unanswered), "
        f"p95 {measured.visits.ms(95):.0f} ms from the intended start"
    )


def figures(profile: LoadProfile, measured: Measured) -> Mapping[str, Any]:
    """Return all measurements, JSON-compatible; `histograms` are HdrHistograms, which merge."""
    return {
        "rate": profile.rate,
        "seconds": profile.seconds,
        "arrivals": {
            "intended": measured.intended,
            "sent": measured.sent,
            "unfinished": measured.unfinished,
        },
        "requests": len(measured.operations),
        "outcomes": measured.outcomes,
        "error_share": round(measured.error_share, 5),
        "visits": measured.visits.as_figures(),
        "verbs": {verb: latencies.as_figures() for verb, latencies in sorted(measured.requests.items())},
        "lag": measured.lag.as_figures(),
        "objectives": profile.objectives.model_dump(),
        "validity": profile.validity.model_dump(),
        "histograms": {"visits": measured.visits.encoded(), "lag": measured.lag.encoded()},
    }
