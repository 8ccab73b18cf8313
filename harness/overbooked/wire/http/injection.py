"""The error response that the gate sends instead of the server's answer; the request is not sent."""

from __future__ import annotations

import json
from http import HTTPStatus

_DEFAULT = "503"


def refusal(method: str, code: str, message: str, *, last: bool) -> bytes:
    """The response that refuses a request, as a problem document (RFC 9457).

    Args:
        method: the request's method; the response to HEAD has no body.
        code: the status, 400 to 599; "" means 503.
        message: the problem's detail; "" omits it.
        last: whether the connection is closed after the response.

    Raises:
        ValueError: `code` is not an error status.
    """
    code = code or _DEFAULT
    if not code.isascii() or not code.isdigit() or not 400 <= int(code) <= 599:
        raise ValueError(f"an HTTP error needs a status from 400 to 599, got {code!r}")
    title = _phrase(int(code))
    problem = {"type": "about:blank", "title": title, "status": int(code)}
    if message:
        problem["detail"] = message
    body = json.dumps(problem).encode()
    head = [
        f"HTTP/1.1 {code} {title}",
        "content-type: application/problem+json",
        f"content-length: {len(body)}",
    ]
    if last:
        head.append("connection: close")
    return "\r\n".join([*head, "", ""]).encode() + (b"" if method == "HEAD" else body)


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Refused"
