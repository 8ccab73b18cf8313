"""The OpenAPI document, with what FastAPI cannot know: problem documents and replayed answers."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI

from reference_system.booking.problems import ProblemDocument


def complete(app: FastAPI) -> None:
    """Add to the document, once it is first asked for, the schemas that responses refer to."""
    generate = app.openapi

    def completed() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = generate()
            schemas = document.setdefault("components", {}).setdefault("schemas", {})
            schemas["ProblemDocument"] = ProblemDocument.model_json_schema()
            app.openapi_schema = document
        return app.openapi_schema

    app.openapi = completed  # type: ignore[method-assign]  # FastAPI's own way to extend it
