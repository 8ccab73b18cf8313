"""Settings of replay bundles: the `[bundles]` table of overbooked.toml."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field


def _patterns(patterns: tuple[str, ...]) -> tuple[str, ...]:
    for pattern in patterns:
        try:
            re.compile(pattern)
        except re.error as error:
            raise ValueError(f"{pattern!r} is no regular expression: {error}") from error
    return patterns


class BundleSettings(BaseModel):
    """How large bundles may be, how many are kept, and what is taken out of them.

    Args:
        keep: how many bundles stay under `reports`; with each new one the oldest beyond that go.
        size_kib: the largest file, in KiB; what does not fit of a trace is left out.
        redact: regular expressions of what is taken out beside secrets and personal data.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    keep: Annotated[int, Field(ge=1)] = 200
    size_kib: Annotated[int, Field(ge=16, le=16384)] = 512
    redact: Annotated[tuple[str, ...], AfterValidator(_patterns)] = ()
