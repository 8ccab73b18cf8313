"""What the provider refuses, as it says it on the wire."""

from __future__ import annotations

from typing import Any


class Refused(Exception):
    """A call that is answered with an error; `code` is stable, `message` is for people.

    `payment_intent` is embedded in the answer where the caller should know what became of it.
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
    """422: the call itself is malformed."""
    return Refused(422, "invalid_request", message)


def missing(what: str, id_: str) -> Refused:
    """404: there is no such thing."""
    return Refused(404, "not_found", f"no {what} {id_}")
