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
            raise ValueError(f"{pattern!r} is not a regular expression: {error}") from error
    return patterns


class BundleSettings(BaseModel):
    """The size and number of bundles, and what is redacted in them.

    Args:
        keep: number of bundles kept under `reports`; older ones are removed.
        size_kib: maximum size of a file, in KiB; a part of the trace that does not fit is removed.
        redact: regular expressions whose matches are redacted, in addition to secrets and personal data.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    keep: Annotated[int, Field(ge=1)] = 200
    size_kib: Annotated[int, Field(ge=16, le=16384)] = 512
    redact: Annotated[tuple[str, ...], AfterValidator(_patterns)] = ()
