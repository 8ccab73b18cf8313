"""How an HTTP request fails in the session: an answer such as an overloaded server gives, and no request."""

from __future__ import annotations

import json
from http import HTTPStatus

_DEFAULT = "503"


def refusal(method: str, code: str, message: str, *, last: bool) -> bytes:
    """The response that refuses a request, as a problem document (RFC 9457).

    Args:
        method: of the request; HEAD is answered without a body.
        code: the status, 400 to 599; "" is 503.
        message: the problem's detail; "" leaves it out.
        last: the connection cannot go on after it.

    Raises:
        ValueError: `code` is no status of a failure.
    """
    code = code or _DEFAULT
    if not code.isascii() or not code.isdigit() or not 400 <= int(code) <= 599:
        raise ValueError(f"an HTTP request fails with a status from 400 to 599, not {code!r}")
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
