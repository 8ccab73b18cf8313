"""The two families of failure, never caught as one another.

`GapFound` says the booking system is wrong; `HarnessError` says that we, the machine or the
user's configuration are. The first opens a gap, the second makes it inconclusive or stops the run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import IntEnum

from overbooked.plain_text import bounded, clean

# What an exception says as a whole; its attributes keep everything.
_SAID = 20_000


class ExitCode(IntEnum):
    """Exit codes of `overbooked`; where several hold, 2, then 1, 3, 4."""

    SATISFIED = 0
    OPEN = 1
    USAGE = 2
    INCONCLUSIVE = 3
    TOO_FEW = 4
    INTERRUPTED = 130


def gravest(*codes: ExitCode) -> ExitCode:
    """Of several exit codes the one that counts: 2, then 1, 3, 4, 0."""
    order = (ExitCode.USAGE, ExitCode.OPEN, ExitCode.INCONCLUSIVE, ExitCode.TOO_FEW, ExitCode.SATISFIED)
    return min(codes, key=order.index)


class HarnessError(Exception):
    """The harness, not the booking system, failed: the verdict is inconclusive.

    A message says what was wanted, what was found and what to do.
    """

    exit_code: ExitCode = ExitCode.INCONCLUSIVE

    def __init__(self, *args: object) -> None:
        super().__init__(*(clean(each) if isinstance(each, str) else each for each in args))


# -- the user is wrong -------------------------------------------------------------------------


class UsageError(HarnessError):
    """The command line or what it names cannot be used; fix the call."""

    exit_code = ExitCode.USAGE


class ConfigError(UsageError):
    """A setting is unknown or has a bad value; the message names the key and where it was read."""


class UnknownGap(UsageError):
    """No such gap, clause or mutant in the catalog; the message offers the nearest names."""


class HostNotAllowed(UsageError):
    """A fault, kill or burst was aimed at a host outside loopback and the allow-list."""


# -- the machine or the harness is wrong -------------------------------------------------------


class StackError(HarnessError):
    """A stack did not start or died; `part` names which part, `log` has its last lines."""

    def __init__(self, message: str, *, part: str = "", log: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.part = part
        self.log = tuple(map(clean, log))


class PartDied(StackError):
    """A part that is not under test ended on its own: nothing that was seen meanwhile counts."""


class FaultError(HarnessError):
    """A fault could not be injected or healed."""


class FaultDidNotBite(HarnessError):
    """A fault was in force but touched nothing, so nothing was shown."""


class DeadlineExceeded(HarnessError):
    """Something awaited did not happen in time; the message says what and how long."""


class NotSupported(HarnessError):
    """The target lacks a capability that the scenario needs: the clause is not covered."""


# -- the booking system is wrong ---------------------------------------------------------------


class GapFound(AssertionError):
    """An oracle found the gap open.

    Args:
        what: the invariant, in one sentence.
        expected: what should have been seen.
        observed: what was seen.
        operations: the operations involved, one line each, in the order they happened.
        details: further evidence, JSON-compatible.
    """

    def __init__(
        self,
        what: str,
        *,
        expected: str = "",
        observed: str = "",
        operations: Sequence[str] = (),
        details: Mapping[str, object] | None = None,
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


class SystemDied(GapFound):
    """The system under test ended on its own, without a fault of ours in force."""
