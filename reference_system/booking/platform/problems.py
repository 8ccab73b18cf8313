"""Refusals and failures as problem documents (RFC 9457).

`type` is a stable slug that clients may branch on; titles and details are for people. A domain
declares its kinds beside its routes and raises `Problem(KIND, "detail", member=value)`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict
from starlette.responses import Response

MEDIA_TYPE = "application/problem+json"


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of problem: its slug, HTTP status and title never change."""

    slug: str
    status: int
    title: str


class Problem(Exception):
    """A request is answered with a problem; `members` are RFC 9457 extension members.

    Raised inside a transaction, it rolls the transaction back.
    """

    def __init__(
        self, kind: Kind, detail: str = "", *, headers: Mapping[str, str] | None = None, **members: Any
    ) -> None:
        super().__init__(detail or kind.title)
        self.kind = kind
        self.detail = detail
        self.headers = dict(headers or {})
        self.members = members

    @property
    def status(self) -> int:
        return self.kind.status

    def document(self) -> dict[str, Any]:
        """The problem document."""
        document: dict[str, Any] = {
            "type": self.kind.slug,
            "title": self.kind.title,
            "status": self.kind.status,
        }
        if self.detail:
            document["detail"] = self.detail
        return document | self.members

    def body(self) -> str:
        """Return the document as JSON text, as it is sent and recorded for idempotency."""
        return json.dumps(self.document(), separators=(",", ":"), default=str)

    def response(self) -> Response:
        return Response(self.body(), self.status, self.headers, MEDIA_TYPE)


class ProblemDocument(BaseModel):
    """RFC 9457; further members depend on `type`."""

    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    status: int
    detail: str = ""


def responses(*kinds: Kind) -> dict[int | str, dict[str, Any]]:
    """The problems that a route may answer, for its OpenAPI description."""
    documented: dict[int | str, dict[str, Any]] = {}
    for kind in kinds:
        entry = documented.setdefault(
            kind.status,
            {"description": "", "content": {MEDIA_TYPE: {"schema": _REFERENCE, "examples": {}}}},
        )
        entry["description"] = "; ".join(filter(None, [entry["description"], f"{kind.slug}: {kind.title}"]))
        entry["content"][MEDIA_TYPE]["examples"][kind.slug] = {"value": Problem(kind).document()}
    return documented


_REFERENCE = {"$ref": "#/components/schemas/ProblemDocument"}

# -- kinds that belong to no domain --------------------------------------------------------------

INVALID_REQUEST = Kind("invalid-request", 422, "The request is not valid")
NOT_FOUND = Kind("not-found", 404, "There is no such thing, or it is not yours")
FORBIDDEN = Kind("forbidden", 403, "This is for operators")
CONFLICT = Kind("conflict", 409, "The request conflicts with what is there")
UNAVAILABLE = Kind("unavailable", 503, "The service cannot answer now; nothing was done")
OUTCOME_UNKNOWN = Kind("outcome-unknown", 503, "It is not known whether this was done; repeat or read")
INTERNAL = Kind("internal-error", 500, "Something is wrong with the service")

UNCERTAIN = (UNAVAILABLE, OUTCOME_UNKNOWN, INTERNAL)
"""Problems that any route may answer when the database fails."""
