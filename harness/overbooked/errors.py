"""The two families of failures; neither is a subclass of the other.

`GapFound` is a defect of the booking system and opens a gap. `HarnessError` is a fault of the harness, the
machine or the user's configuration: it makes the gap inconclusive or stops the run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from enum import IntEnum
from typing import TYPE_CHECKING

from overbooked.plain_text import bounded, clean

if TYPE_CHECKING:
    from overbooked.recording import Recording

# Limit of an exception's message in characters; its attributes are not shortened.
_SAID = 20_000


class ExitCode(IntEnum):
    """Exit codes of `overbooked`; if several apply, the order is 2, 1, 3, 4."""

    SATISFIED = 0
    OPEN = 1
    USAGE = 2
    INCONCLUSIVE = 3
    TOO_FEW = 4
    INTERRUPTED = 130


def gravest(*codes: ExitCode) -> ExitCode:
    """The exit code that applies if there are several: the first of 2, 1, 3, 4, 0."""
    order = (ExitCode.USAGE, ExitCode.OPEN, ExitCode.INCONCLUSIVE, ExitCode.TOO_FEW, ExitCode.SATISFIED)
    return min(codes, key=order.index)


class HarnessError(Exception):
    """The harness, not the booking system, failed: the verdict is inconclusive.

    A message says what was expected, what was found and what to do.
    """

    exit_code: ExitCode = ExitCode.INCONCLUSIVE

    def __init__(self, *args: object) -> None:
        super().__init__(*(clean(each) if isinstance(each, str) else each for each in args))


# -- mistakes in the call or the configuration ---------------------------------------------------


class UsageError(HarnessError):
    """The command line, or something that it names, is invalid; correct the call."""

    exit_code = ExitCode.USAGE


class ConfigError(UsageError):
    """A setting is unknown or has an invalid value; the message names the key and where it was read."""


class UnknownGap(UsageError):
    """No such gap, clause or mutant in the catalog; the message offers the nearest names."""


class HostNotAllowed(UsageError):
    """A fault, kill or burst was aimed at a host outside loopback and the allow-list."""


# -- faults of the machine or the harness --------------------------------------------------------


class StackError(HarnessError):
    """A stack did not start, or a part of it died; `part` is the part's name, `log` its last lines."""

    def __init__(self, message: str, *, part: str = "", log: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.part = part
        self.log = tuple(map(clean, log))


class StackUnavailable(StackError):
    """No stack of one shape has started in this run, in several attempts: the run cannot continue."""


class PartDied(StackError):
    """A part that is not under test ended on its own: observations made meanwhile do not count."""


class FaultError(HarnessError):
    """A fault could not be injected or healed."""


class FaultDidNotBite(HarnessError):
    """A fault was active but affected no message, so the trial shows nothing."""


class DeadlineExceeded(HarnessError):
    """An awaited condition did not become true in time; the message names it and the time."""


class NotSupported(HarnessError):
    """The target lacks a capability that the scenario needs: the clause is not covered."""


# -- defects of the booking system ---------------------------------------------------------------


class GapFound(AssertionError):
    """An oracle found the gap open.

    Args:
        what: the invariant, in one sentence.
        expected: what should have been seen.
        observed: what was seen.
        operations: the operations involved, one line each, in the order they happened.
        details: further evidence, JSON-compatible.
        recording: the schedule or the fault plan that shows it; None if there is nothing to replay.
    """

    def __init__(
        self,
        what: str,
        *,
        expected: str = "",
        observed: str = "",
        operations: Sequence[str] = (),
        details: Mapping[str, object] | None = None,
        recording: Recording | None = None,
    ) -> None:
        self.what = clean(what)
        self.expected = clean(expected)
        self.observed = clean(observed)
        self.operations = tuple(map(clean, operations))
        lines = [self.what]
        if expected:
            lines.append(f"expected  {self.expected}")
        if observed:
            lines.append(f"observed  {self.observed}")
        super().__init__(bounded("\n".join([*lines, *self.operations]), _SAID))
        self.details = dict(details or {})
        self.recording = recording
        if (made := _FINDINGS.get()) is not None:
            made.append(self)


# The findings created in this task while `findings_made` collects them.
_FINDINGS: ContextVar[list[GapFound] | None] = ContextVar("overbooked_findings", default=None)


@contextmanager
def findings_made() -> Iterator[list[GapFound]]:
    """Collect every GapFound created inside the block, whether it is raised further or caught."""
    made: list[GapFound] = []
    token = _FINDINGS.set(made)
    try:
        yield made
    finally:
        _FINDINGS.reset(token)


@contextmanager
def findings_retried() -> Iterator[None]:
    """Suspend the collection inside the block: a poll that retries its oracle raises the last finding."""
    token = _FINDINGS.set(None)
    try:
        yield
    finally:
        _FINDINGS.reset(token)


class SystemDied(GapFound):
    """The system under test ended on its own while no injected fault was active."""
