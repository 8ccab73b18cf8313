"""The results of a walk through the steps of checkout."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from overbooked.targets.adapter import Answer, CheckoutStep


@dataclass(frozen=True, slots=True)
class StepResults:
    """The answers in order, and their merged facts.

    A walk stops after the first answer that is not OK, or before the step named by `until`.
    """

    answers: Mapping[str, Answer]
    facts: Mapping[str, Any]

    def __getitem__(self, step: str) -> Answer:
        """The answer of a step; raises KeyError if the step was not done."""
        return self.answers[step]

    def __iter__(self) -> Iterator[str]:
        return iter(self.answers)

    @property
    def last(self) -> Answer:
        """The answer that ended the walk; raises LookupError if no step was done."""
        if not self.answers:
            raise LookupError("no step of this walk was done")
        return list(self.answers.values())[-1]

    @property
    def ok(self) -> bool:
        return all(answer.ok for answer in self.answers.values())


def slice_steps(
    steps: Sequence[CheckoutStep], *, since: str | None = None, until: str | None = None
) -> list[CheckoutStep]:
    """The steps from `since` (included) to `until` (not included).

    Raises:
        ValueError: there is no such step; the message names those that exist.
    """
    names = [step.name for step in steps]
    for name in (since, until):
        if name is not None and name not in names:
            raise ValueError(f"checkout has no step {name!r}; it has {', '.join(names)}")
    first = names.index(since) if since else 0
    end = names.index(until) if until else len(names)
    return list(steps[first:end])
