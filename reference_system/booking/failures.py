"""One place where errors become answers: problems, bad requests, a database that fails.

A bug is none of these: `observing` answers it.
"""

from __future__ import annotations

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from reference_system.booking import problems
from reference_system.booking.db_errors import ConstraintViolated, DatabaseFailed, OutcomeUnknown
from reference_system.booking.problems import Kind, Problem

RETRY_AFTER = {"Retry-After": "1"}

_log = structlog.get_logger(__name__)

# Constraints whose refusal is a plain answer wherever it comes up. A domain adds its own with
# `refuse`; any other violation is a bug.
_refusals: dict[str, Kind] = {}


def refuse(constraint: str, kind: Kind) -> None:
    """Answer with `kind` when the schema refuses a change by `constraint`."""
    _refusals[constraint] = kind


def refusal(error: ConstraintViolated) -> Problem | None:
    """The problem that a violated constraint means to a client, if it means one."""
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
