"""What can go wrong between a client and the system under test."""

from __future__ import annotations

from overbooked.errors import HarnessError


class TransportFailed(Exception):
    """No whole response came back: the effect of the request is unknown.

    `stage` is "connect" (it surely had no effect), "send" or "receive".
    """

    def __init__(self, message: str, *, stage: str) -> None:
        super().__init__(message)
        self.stage = stage

    @property
    def timed_out(self) -> bool:
        """Whether it was given up for the time it took."""
        cause = self.__cause__
        return isinstance(cause, TimeoutError) or "Timeout" in type(cause).__name__


class TargetFailed(HarnessError):
    """The adapter could not do what a scenario needs before it can judge anything.

    A slot was not opened, a login refused, an answer not readable, a control not reached. It says
    nothing of the gap; the message says what was asked and what came back.
    """
