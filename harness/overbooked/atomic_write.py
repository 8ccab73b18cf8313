"""Atomic writing of text files: a file is written completely or not at all."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from overbooked.errors import HarnessError


class CannotWrite(HarnessError):
    """A file could not be written: no space, no permission, or another file at its path."""


def write_whole(path: Path, text: str) -> Path:
    """Write a text file through a temporary file beside it and return its path; create the folder if missing.

    Raises:
        CannotWrite: the message names the file and the reason. An existing file is unchanged, and the
            temporary file is removed.
    """
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Characters that UTF-8 cannot encode (lone surrogates) are written as escapes.
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
    """The error for a file that could not be written."""
    return CannotWrite(f"cannot write {path}: {error.strerror or error}; make room there or set `reports`")
