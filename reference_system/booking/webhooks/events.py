"""Events as they are delivered, and what can be stored of those that cannot be read."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

LONGEST_ID = 255
UNREADABLE = "unreadable"
_KEPT = 10_000  # characters of an unreadable body


@dataclass(frozen=True, slots=True)
class Event:
    """An event as it was delivered; `data` has snapshots of the payment and, if any, the refund.

    `fault` says why the event cannot be read; then only its id is meaningful, and `data` has the body.
    """

    id: str
    type: str
    data: Mapping[str, Any]
    fault: str = ""

    @property
    def intent_id(self) -> str | None:
        intent = self.data.get("payment_intent")
        found = intent.get("id") if isinstance(intent, Mapping) else None
        return storable(found) if isinstance(found, str) else None

    def document(self) -> dict[str, Any]:
        document: dict[str, Any] = storable({"id": self.id, "type": self.type, "data": self.data})
        return document


def read(body: bytes) -> Event:
    """Read the event in a body. One that cannot be read has a `fault`, so that it is retried and left to a
    person like any other failure; without an id it is known by the digest of its body."""
    id_ = f"sha256:{hashlib.sha256(body).hexdigest()}"
    try:
        document: Any = json.loads(body)
        id_ = _id(document["id"])
        return Event(id_, _text(document["type"]), _object(document["data"]))
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        content = body.decode("utf-8", "replace")[:_KEPT]
        return Event(id_, UNREADABLE, {"body": content}, fault=f"{type(error).__name__}: {error}")


def storable(value: Any) -> Any:
    """Return a JSON value without characters that PostgreSQL cannot store: NUL and lone surrogates."""
    match value:
        case str():
            return value.replace("\0", "\ufffd").encode("utf-8", "replace").decode()
        case dict():
            return {storable(name): storable(item) for name, item in value.items()}
        case list():
            return [storable(item) for item in value]
        case _:
            return value


def _id(value: Any) -> str:
    found = _text(value)
    if len(found) > LONGEST_ID or storable(found) != found:
        raise ValueError("the id is too long or has invalid characters")
    return found


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise TypeError("not a text")
    return value


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise TypeError("not an object")
    return value
