"""What can go wrong between a client and the system under test."""

from __future__ import annotations


class TransportFailed(Exception):
    """No whole response came back: the effect of the request is unknown.

    `stage` is "connect" (it surely had no effect), "send" or "receive".
    """

    def __init__(self, message: str, *, stage: str) -> None:
        super().__init__(message)
        self.stage = stage
