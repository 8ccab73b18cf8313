"""The OpenAPI document, with additions to FastAPI's: problem documents and replayed answers."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute

from reference_system.booking.platform import idempotency
from reference_system.booking.platform.problems import INVALID_REQUEST, ProblemDocument

_REPLAYED = {
    "description": "`true`: this is the first answer to the key, again",
    "schema": {"type": "string"},
}


def operation_id(route: APIRoute) -> str:
    """Return a short unique name of an operation, e.g. `bookings.cancel`."""
    return f"{route.tags[0]}.{route.name}"


def complete(app: FastAPI) -> None:
    """Complete the document when it is first requested."""
    generate = app.openapi

    def completed() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = generate()
            schemas = document.setdefault("components", {}).setdefault("schemas", {})
            schemas["ProblemDocument"] = ProblemDocument.model_json_schema()
            for path in document["paths"].values():
                for operation in path.values():
                    _complete(operation)
            app.openapi_schema = document
        return app.openapi_schema

    app.openapi = completed  # type: ignore[method-assign]  # FastAPI's own way to extend it


def _complete(operation: dict[str, Any]) -> None:
    parameters = operation.get("parameters", [])
    if not parameters and "requestBody" not in operation:
        operation["responses"].pop(str(INVALID_REQUEST.status), None)
    keyed = [p for p in parameters if p["name"].lower() == idempotency.HEADER.lower()]
    for parameter in keyed:
        parameter["name"] = idempotency.HEADER
        for status, response in operation["responses"].items():
            if status.startswith("2") or int(status) in idempotency.CONCLUSIVE:
                response.setdefault("headers", {})[idempotency.REPLAYED_HEADER] = _REPLAYED
