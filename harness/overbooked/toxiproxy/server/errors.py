"""The errors of Toxiproxy's API, with the texts of the original (api.go)."""

from __future__ import annotations


class ApiError(Exception):
    """An error response with a status and the body `{"error": ..., "status": ...}`."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.message = message
        self.status = status


def bad_body(why: str) -> ApiError:
    """The body is not JSON, or JSON of the wrong shape."""
    return ApiError(f"bad request body: {why}", 400)


def missing(field: str) -> ApiError:
    """A required field is missing."""
    return ApiError(f"missing required field: {field}", 400)


def proxy_not_found() -> ApiError:
    return ApiError("proxy not found", 404)


def proxy_exists() -> ApiError:
    return ApiError("proxy already exists", 409)


def invalid_stream() -> ApiError:
    return ApiError("stream was invalid, can be either upstream or downstream", 400)


def invalid_type() -> ApiError:
    return ApiError("invalid toxic type", 400)


def toxic_exists() -> ApiError:
    return ApiError("toxic already exists", 409)


def toxic_not_found() -> ApiError:
    return ApiError("toxic not found", 404)


def cannot_listen(why: str) -> ApiError:
    """The address cannot be resolved or listened on; 500 in the original, even for an invalid address."""
    return ApiError(why, 500)
