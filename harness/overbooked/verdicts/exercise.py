"""What a means was used for: the counts on which a closed verdict rests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from overbooked.catalog.model import Means


@dataclass(frozen=True, slots=True)
class Exercise:
    """One use of a means, as the tool that did it counted it; no scenario writes one itself.

    Args:
        means: which.
        done: how much was done, in the unit of the means (`overbooked.verdicts.means`): schedules, faults
            that took effect, bursts in which a request succeeded, examples that were tried ...
        of: how much there is to do, where that is known.
        subject: the race, the journey or the link.
        actors: of an exploration how many took part, of bursts the requests of the largest.
        preemptions: the bound of an exploration; None: any number.
        exhausted: every schedule within the bound was run, or differs in nothing from one that was.
        sampled: the strategy that drew the schedules, where they were not all run, e.g. `PCT`.
    """

    means: Means
    done: int
    of: int | None = None
    subject: str = ""
    actors: int = 0
    preemptions: int | None = None
    exhausted: bool = False
    sampled: str = ""

    def as_dict(self) -> dict[str, Any]:
        """JSON-compatible; what is not said of this means is left out."""
        said: dict[str, Any] = {"means": self.means.value, "done": self.done}
        for name in ("of", "subject", "actors", "exhausted", "sampled"):
            if value := getattr(self, name):
                said[name] = value
        if self.means is Means.INTERLEAVINGS:
            said["preemptions"] = "any" if self.preemptions is None else self.preemptions
        return said

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Exercise:
        """The exercise that `as_dict` wrote."""
        preemptions = data.get("preemptions")
        bound = preemptions if isinstance(preemptions, int) else None
        return cls(**{**data, "means": Means(data["means"]), "preemptions": bound})
