"""One operation as seen by its client: when it was invoked, when and how it ended.

Operations are data, as in Jepsen. A time-out or a reset is not a failure but an *unknown*: the operation
may take effect at any later moment, or never.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from overbooked.errors import HarnessError
from overbooked.targets.adapter import Outcome


class BadHistory(HarnessError):
    """A history contains something that no client can observe; the recording is wrong."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of a history.

    Args:
        actor: short name of the client; one lane of a timeline. Operations of one actor may overlap.
        verb: the domain verb, e.g. `book`; the model defines which verbs exist.
        args: the arguments, JSON-compatible, e.g. `{"slot": "7"}`.
        invoked_at: seconds by the history's clock.
        completed_at: seconds by the same clock; None while pending. For an UNKNOWN outcome it is the
            moment the client gave up; the effect may happen later, earlier or never.
        outcome: OK, REFUSED (definitely no effect) or UNKNOWN.
        result: the returned data, JSON-compatible: for `book` the booking's id, for a read the value.
        problem: why it was refused or is unknown, for display.
    """

    actor: str
    verb: str
    args: Mapping[str, Any]
    invoked_at: float
    completed_at: float | None
    outcome: Outcome
    result: Any = None
    problem: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        if self.completed_at is None and self.outcome is not Outcome.UNKNOWN:
            raise BadHistory(f"{self.verb} by {self.actor} is {self.outcome.value} but never completed")
        if self.completed_at is not None and self.completed_at < self.invoked_at:
            raise BadHistory(
                f"{self.verb} by {self.actor} completed at {self.completed_at}, "
                f"before it was invoked at {self.invoked_at}: record both with one monotonic clock"
            )

    @property
    def ok(self) -> bool:
        return self.outcome is Outcome.OK

    @property
    def refused(self) -> bool:
        return self.outcome is Outcome.REFUSED

    @property
    def unknown(self) -> bool:
        return self.outcome is Outcome.UNKNOWN

    def __str__(self) -> str:
        asked = " ".join(f"{name}={value}" for name, value in self.args.items())
        learnt = "" if self.result is None else f" {self.result}"
        why = f" ({self.problem})" if self.problem else ""
        return f"{self.actor}: {self.verb} {asked} -> {self.outcome.value}{learnt}{why}"

    def as_dict(self) -> dict[str, Any]:
        """The JSON form; `from_dict` reads it back."""
        return {
            "actor": self.actor,
            "verb": self.verb,
            "args": dict(self.args),
            "invoked_at": self.invoked_at,
            "completed_at": self.completed_at,
            "outcome": self.outcome.value,
            "result": self.result,
            "problem": self.problem,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Operation:
        """Read the JSON form. Raises BadHistory for a missing key or an invalid outcome."""
        try:
            return cls(
                actor=data["actor"],
                verb=data["verb"],
                args=dict(data["args"]),
                invoked_at=data["invoked_at"],
                completed_at=data["completed_at"],
                outcome=Outcome(data["outcome"]),
                result=data.get("result"),
                problem=data.get("problem", ""),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise BadHistory(f"not an operation in JSON form: {error!r} in {dict(data)!r}") from error
