"""Errors between a client and the system under test."""

from __future__ import annotations

from overbooked.errors import HarnessError


class TransportError(Exception):
    """No complete response arrived: the effect of the request is unknown.

    `stage` is "connect" (the request certainly had no effect), "send" or "receive".
    """

    def __init__(self, message: str, *, stage: str) -> None:
        super().__init__(message)
        self.stage = stage

    @property
    def timed_out(self) -> bool:
        """Whether a timeout is the reason."""
        cause = self.__cause__
        return isinstance(cause, TimeoutError) or "Timeout" in type(cause).__name__


class TargetError(HarnessError):
    """The adapter could not do what a scenario needs before it can judge anything.

    Examples: a slot was not opened, a log-in was refused, an answer could not be read. It is not evidence
    about the gap; the message names the request and the response.
    """
