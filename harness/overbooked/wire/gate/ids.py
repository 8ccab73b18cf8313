"""Removes ids from keys and paths, so that one line of the service's code always gives the same text."""

from __future__ import annotations

import re

_GONE = "?"
_ID = re.compile(
    r"""
      [0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}           # a UUID
    | (?<![A-Za-z0-9_-])(?=[^A-Z]*[A-Z])(?=[^a-z]*[a-z])[A-Za-z0-9_-]{32,}(?![A-Za-z0-9_-])  # base64url
    | (?<![A-Za-z0-9])(?=[A-Za-z]*[0-9])[A-Za-z0-9]{20,}(?![A-Za-z0-9])          # ULID, nano id, digest
    | (?<![A-Za-z0-9])(?=[a-fA-F]*[0-9])[0-9a-fA-F]{8,}(?![A-Za-z0-9])           # hexadecimal
    | (?<![A-Za-z0-9])v[0-9]{1,2}(?![A-Za-z0-9])                     # kept: a version is no id
    | [0-9]+
    """,
    re.VERBOSE,
)


def without_ids(text: str) -> str:
    """`text` with UUIDs, long tokens, hexadecimal runs and numbers replaced by `?`.

    A version such as `v1` stays.
    """
    return _ID.sub(lambda found: found[0] if found[0][0] == "v" else _GONE, text)
