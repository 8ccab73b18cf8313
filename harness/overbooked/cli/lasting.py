"""Output that outlives its reader: `overbooked run | head` ends with the exit code of the run."""

from __future__ import annotations

import os
from typing import Any, TextIO, cast


class Lasting:
    """A text stream whose reader may go: from then on what is written goes nowhere, and decides nothing.

    Args:
        stream: of a file descriptor.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        try:
            return self._stream.write(text)
        except BrokenPipeError:
            self._nobody_reads()
            return len(text)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except BrokenPipeError:
            self._nobody_reads()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def _nobody_reads(self) -> None:
        # In the descriptor's place, so that what is still in a buffer finds its way as well.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self._stream.fileno())
        os.close(nowhere)


def lasting(stream: TextIO) -> TextIO:
    """The same stream, outliving its reader."""
    return cast("TextIO", Lasting(stream))
