"""Errors of the provider's API."""

from __future__ import annotations

from typing import Any


class Refused(Exception):
    """A call is answered with an error; `code` is stable, `message` is for people.

    `payment_intent` is embedded in the answer if the caller needs its state.
    """

    def __init__(
        self, status: int, code: str, message: str, *, payment_intent: dict[str, Any] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.payment_intent = payment_intent

    def body(self) -> dict[str, Any]:
        error: dict[str, Any] = {"code": self.code, "message": self.message}
        if self.payment_intent is not None:
            error["payment_intent"] = self.payment_intent
        return {"error": error}


def invalid(message: str) -> Refused:
    """Return a 422: the call is malformed."""
    return Refused(422, "invalid_request", message)


def missing(what: str, id_: str) -> Refused:
    """Return a 404: there is no such object."""
    return Refused(404, "not_found", f"no {what} {id_}")
