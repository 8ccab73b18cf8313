"""A load profile: the arrivals, the objectives, and when the load is valid."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from overbooked.errors import ConfigError
from overbooked.load.user_actions import VISITS

BUNDLED: Final = Path(__file__).parent / "profiles"

_Positive = Annotated[float, Field(gt=0)]
_Share = Annotated[float, Field(ge=0, le=1)]
_Count = Annotated[int, Field(ge=1)]


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Objectives(_Table):
    """The objectives of a valid load.

    `p95_ms` bounds the 95th percentile of whole journeys in milliseconds from their intended start;
    `error_share` the share of requests without a definite answer (5xx, time-out, reset).
    """

    p95_ms: _Positive
    error_share: _Share


class Validity(_Table):
    """When a load is valid: enough arrivals were sent, and the generator was on time."""

    sent_share: _Share = 0.99
    lag_p99_ms: _Positive = 250.0


class LoadProfile(_Table):
    """One load profile; see `profiles/smoke.toml`. Rates are arrivals per second."""

    name: str = Field(pattern="^[a-z0-9][a-z0-9_-]*$")
    summary: str = ""
    rate: _Positive
    seconds: _Positive
    people: _Count
    slots: _Count
    capacity: _Count
    patience_s: _Positive = 10.0
    journeys: Mapping[str, _Positive] = Field(min_length=1)
    objectives: Objectives
    validity: Validity = Validity()

    @field_validator("journeys")
    @classmethod
    def _known(cls, journeys: Mapping[str, float]) -> Mapping[str, float]:
        unheard = sorted(set(journeys) - set(VISITS))
        if unheard:
            raise ValueError(f"no journey {', '.join(unheard)}; there are {', '.join(VISITS)}")
        return journeys

    @property
    def arrivals(self) -> int:
        """The number of scheduled arrivals, at least one."""
        return max(1, round(self.rate * self.seconds))

    def at(self, *, rate: float | None = None, seconds: float | None = None) -> Self:
        """Return the profile with another rate or duration."""
        changed = {name: value for name, value in (("rate", rate), ("seconds", seconds)) if value is not None}
        return self.model_copy(update=changed)


def profiles() -> dict[str, Path]:
    """Return the bundled profiles by name."""
    return {path.stem: path for path in sorted(BUNDLED.glob("*.toml"))}


def load_profile(name: str) -> LoadProfile:
    """Read a bundled profile by name, or a file by its path (it ends in .toml).

    Raises:
        ConfigError: there is no such profile, or the file is invalid.
    """
    known = profiles()
    path = Path(name) if name.endswith(".toml") else known.get(name)
    if path is None:
        raise ConfigError(f"no load profile {name!r}; there are {', '.join(known)}, or give a .toml file")
    try:
        return LoadProfile.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"the load profile {path} cannot be read: {error}") from error
    except ValidationError as error:
        wrong = error.errors(include_url=False)[0]
        key = ".".join(str(part) for part in wrong["loc"])
        raise ConfigError(f"the load profile {path} is wrong: {key}: {wrong['msg']}") from error
