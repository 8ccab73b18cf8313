"""Terminal handling: Ctrl-C, closed pipes, and ends of a run without a verdict."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TextIO, TypeVar, cast

from overbooked.errors import ExitCode, HarnessError
from overbooked.runs import interrupts

T = TypeVar("T")


class Interrupted(KeyboardInterrupt):
    """Ctrl-C ended the run.

    Args:
        folder: the folder of the verdicts so far, marked incomplete.
        how_to_go_on: how the run is resumed, in one sentence.
    """

    def __init__(self, folder: Path, how_to_go_on: str = "") -> None:
        super().__init__()
        self.folder = folder
        self.how_to_go_on = how_to_go_on


class RunAborted(HarnessError):
    """A worker met an error that ends the run; the exit code is that of the error."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.exit_code = ExitCode(code)


class PipeSafeStream:
    """A text stream that survives a closed pipe: later output is discarded, the exit code is unaffected.

    Args:
        stream: a stream with a file descriptor.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        try:
            return self._stream.write(text)
        except BrokenPipeError:
            self._discard()
            return len(text)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except BrokenPipeError:
            self._discard()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def _discard(self) -> None:
        # Replace the descriptor itself, so that buffered output is discarded, too.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self._stream.fileno())
        os.close(nowhere)


def pipe_safe(stream: TextIO) -> TextIO:
    """Return the stream so that a closed pipe does not end the command."""
    return cast("TextIO", PipeSafeStream(stream))


def run_async(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a coroutine to its end. Ctrl-C cancels it, so that everything it started is closed.

    Raises:
        KeyboardInterrupt: it was interrupted, and has cleaned up.
    """

    async def cancellable() -> T:
        with interrupts.cancel_on_interrupt():
            return await work()

    return asyncio.run(cancellable())
