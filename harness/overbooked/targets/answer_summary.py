"""The part of an answer that a history keeps for models."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from overbooked.targets.adapter import Answer, Money


def result(answer: Answer) -> Any:
    """Return the booking's id if the answer has one, otherwise its facts as JSON; None without facts."""
    if "booking" in answer.facts:
        return answer.facts["booking"]
    return json_facts(answer.facts) or None


def json_facts(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return facts as JSON-compatible values; money as `{"minor": ..., "currency": ...}`."""
    return {name: _plain(value) for name, value in facts.items()}


def why(answer: Answer) -> str:
    """Return a short reason why an answer was not OK; empty if it was."""
    if answer.ok:
        return ""
    status = "" if answer.status is None else str(answer.status)
    return " ".join(part for part in (status, answer.problem) if part)


def _plain(value: Any) -> Any:
    if isinstance(value, Money):
        return {"minor": value.minor, "currency": value.currency}
    try:
        json.dumps(value)
    except (TypeError, ValueError):
        return str(value)
    return value
