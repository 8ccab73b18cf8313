"""One trial: a method hunts one mutant for a while."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

HEALTHY = "healthy"


@dataclass(frozen=True, slots=True)
class Hunt:
    """What a method came to within its time.

    Args:
        seconds: to the first detection, or as long as it hunted.
        rounds: schedules run, or rounds played.
        race, what: which race showed what; "" when nothing was found.
        undecided: rounds, or explorations, that showed neither way; `why` is the last reason.
        applies: False where the method cannot be applied, and `why` says it.
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
    """A hunt, with what was hunted, by which method and in how much time.

    Args:
        mutant: its name, or `healthy`.
        number: from 0; trials of one number belong together.
        allowed_s: how long the method was given.
    """

    mutant: str
    method: str
    number: int
    allowed_s: float
    hunt: Hunt

    @property
    def key(self) -> tuple[str, str, int]:
        """What makes it one and no other."""
        return self.mutant, self.method, self.number

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def of_json(cls, document: dict[str, Any]) -> Trial:
        """Raises TypeError or KeyError where it is no trial."""
        hunt = {name.name: document["hunt"][name.name] for name in fields(Hunt)}
        return cls(**{**document, "hunt": Hunt(**hunt)})
