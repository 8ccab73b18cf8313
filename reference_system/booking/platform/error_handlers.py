"""Turns errors into answers: problems, invalid requests, database failures.

An unexpected error is answered by `middleware`.
"""

from __future__ import annotations

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from reference_system.booking.platform import problems
from reference_system.booking.platform.db_errors import ConstraintViolated, DatabaseFailed, OutcomeUnknown
from reference_system.booking.platform.problems import Kind, Problem

RETRY_AFTER = {"Retry-After": "1"}

_log = structlog.get_logger(__name__)

# Constraints whose violation is a normal answer to the client. A domain adds its own with
# `refuse`; any other violation is a bug.
_refusals: dict[str, Kind] = {}


def refuse(constraint: str, kind: Kind) -> None:
    """Answer with `kind` if a change violates `constraint`."""
    _refusals[constraint] = kind


def refusal(error: ConstraintViolated) -> Problem | None:
    """Return the problem registered for a violated constraint, or None."""
    kind = _refusals.get(error.constraint)
    return Problem(kind) if kind else None


def install(app: FastAPI) -> None:
    """Make `app` answer these errors with a problem document."""
    app.add_exception_handler(Problem, _problem)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(DatabaseFailed, _database)


async def _problem(_: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    return error.response()


async def _invalid(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    errors = [
        {"where": ".".join(str(part) for part in item["loc"]), "what": item["msg"]} for item in error.errors()
    ]
    return Problem(problems.INVALID_REQUEST, errors=errors).response()


async def _http(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    slug = str(error.detail).lower().replace(" ", "-")
    kind = Kind(slug, error.status_code, str(error.detail))
    return Problem(kind, headers=error.headers).response()


async def _database(request: Request, error: Exception) -> Response:
    if isinstance(error, ConstraintViolated):
        problem = refusal(error)
        if problem is None:
            raise error
        return problem.response()
    _log.warning("database-failed", path=request.url.path, error=repr(error))
    kind = problems.OUTCOME_UNKNOWN if isinstance(error, OutcomeUnknown) else problems.UNAVAILABLE
    return Problem(kind, headers=RETRY_AFTER).response()
