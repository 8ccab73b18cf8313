"""The use of a means: the counts on which a closed verdict is based."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from overbooked.catalog.model import Means


@dataclass(frozen=True, slots=True)
class Exercise:
    """One use of a means, counted by the tool that performed it; scenarios do not create exercises.

    Args:
        means: the means.
        done: the amount, in the unit of the means (`overbooked.verdicts.means`): schedules, faults that took
            effect, bursts in which a request succeeded, examples that were tried ...
        of: the total amount, if known.
        subject: the race, the journey or the link.
        actors: the number of actors of an exploration, or of requests in the largest burst.
        preemptions: the bound of an exploration; None: unlimited.
        exhausted: whether every schedule within the bound, or an equivalent one, was run.
        family, family_size: name and number of the races from which this one was taken; "": it stands alone.
        sampled: the strategy that drew the schedules, if not all were run, e.g. `PCT`.
    """

    means: Means
    done: int
    of: int | None = None
    subject: str = ""
    actors: int = 0
    preemptions: int | None = None
    exhausted: bool = False
    sampled: str = ""
    family: str = ""
    family_size: int = 0

    def as_dict(self) -> dict[str, Any]:
        """Return the exercise, JSON-compatible, without values that do not apply to the means."""
        said: dict[str, Any] = {"means": self.means.value, "done": self.done}
        for name in ("of", "subject", "actors", "exhausted", "sampled", "family", "family_size"):
            if value := getattr(self, name):
                said[name] = value
        if self.means is Means.INTERLEAVINGS:
            said["preemptions"] = "any" if self.preemptions is None else self.preemptions
        return said

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Exercise:
        """Return the exercise that `as_dict` converted."""
        preemptions = data.get("preemptions")
        bound = preemptions if isinstance(preemptions, int) else None
        return cls(**{**data, "means": Means(data["means"]), "preemptions": bound})
