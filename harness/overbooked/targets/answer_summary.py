"""What of an answer a history keeps: the part that a model of the system looks at."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from overbooked.targets.adapter import Answer, Money


def result_of(answer: Answer) -> Any:
    """The booking's id where the answer names one, else its facts, JSON-compatible; None without any."""
    if "booking" in answer.facts:
        return answer.facts["booking"]
    return json_facts(answer.facts) or None


def json_facts(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Facts as JSON has them; money as `{"minor": ..., "currency": ...}`."""
    return {name: _plain(value) for name, value in facts.items()}


def why(answer: Answer) -> str:
    """In a few words why an answer was not OK."""
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
