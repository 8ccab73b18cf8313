"""Files that are written whole or not at all."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from overbooked.errors import HarnessError


class CannotWrite(HarnessError):
    """A file could not be written: no space, no permission, or something in the way."""


def write_whole(path: Path, text: str) -> Path:
    """Write a text file through one beside it; its folder is made if need be. Returns its path.

    Raises:
        CannotWrite: naming the file and why; what was there before is untouched, nothing is left beside it.
    """
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # A text that no encoder takes loses nothing: what cannot be encoded is written as an escape.
        scratch.write_text(text, encoding="utf-8", errors="backslashreplace")
        scratch.replace(path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            scratch.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise cannot_write(path, error) from error
        raise
    return path


def cannot_write(path: Path, error: OSError) -> CannotWrite:
    """What to say of a file that could not be written."""
    return CannotWrite(f"cannot write {path}: {error.strerror or error}; make room there or set `reports`")
