"""One trial: a method runs on one mutant for a limited time."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

HEALTHY = "healthy"


@dataclass(frozen=True, slots=True)
class Hunt:
    """The result of a method within its time.

    Args:
        seconds: to the first detection, or in total without one.
        rounds: schedules run, or rounds played.
        race, what: the race and its finding; "" without a finding.
        undecided: inconclusive rounds or explorations; `why` is the last reason.
        applies: False if the method cannot be applied; `why` is the reason.
    """

    seconds: float
    rounds: int = 0
    race: str = ""
    what: str = ""
    undecided: int = 0
    why: str = ""
    applies: bool = True

    @property
    def detected(self) -> bool:
        return bool(self.what)


@dataclass(frozen=True, slots=True)
class Trial:
    """A hunt with its mutant, method and time.

    Args:
        mutant: its name, or `healthy`.
        number: from 0; trials of one number belong together.
        allowed_s: the time given to the method.
    """

    mutant: str
    method: str
    number: int
    allowed_s: float
    hunt: Hunt

    @property
    def key(self) -> tuple[str, str, int]:
        """The unique key of the trial."""
        return self.mutant, self.method, self.number

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def of_json(cls, document: dict[str, Any]) -> Trial:
        """Parse a trial; raises TypeError or KeyError if the document is not a trial."""
        hunt = {name.name: document["hunt"][name.name] for name in fields(Hunt)}
        return cls(**{**document, "hunt": Hunt(**hunt)})
