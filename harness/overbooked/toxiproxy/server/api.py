"""Toxiproxy's HTTP API: its routes and responses."""

from __future__ import annotations

import asyncio
import json
import logging
import posixpath
import secrets
from collections.abc import Awaitable, Callable
from typing import Any

from overbooked.toxiproxy.server.collection import Collection, without_toxics
from overbooked.toxiproxy.server.decoding import parse
from overbooked.toxiproxy.server.errors import ApiError
from overbooked.toxiproxy.server.http import Request, Response
from overbooked.toxiproxy.server.metrics import CONTENT_TYPE
from overbooked.toxiproxy.server.proxy import Proxy

VERSION = "2.12.0"

log = logging.getLogger(__name__)
_PLAIN = {"Content-Type": "text/plain; charset=utf-8", "X-Content-Type-Options": "nosniff"}
_JSON = {"Content-Type": "application/json"}
_Handle = Callable[[Request, list[str]], Awaitable[Response]]


class Api:
    """Handles requests one at a time, because a change may wait for a socket.

    Args:
        collection: the proxies.
    """

    def __init__(self, collection: Collection) -> None:
        self._collection = collection
        self._turn = asyncio.Lock()
        # Handlers by path, then by method; `*` matches any name.
        self._routes: dict[tuple[str, ...], dict[str, _Handle]] = {
            ("version",): {"GET": self._version},
            **({("metrics",): {"*": self._metrics}} if collection.metrics.on else {}),
            ("reset",): {"POST": self._reset},
            ("populate",): {"POST": self._populate},
            ("proxies",): {"GET": self._list, "POST": self._create},
            ("proxies", "*"): {
                "GET": self._show,
                "POST": self._update,
                "PATCH": self._update,
                "DELETE": self._delete,
            },
            ("proxies", "*", "toxics"): {"GET": self._list_toxics, "POST": self._create_toxic},
            ("proxies", "*", "toxics", "*"): {
                "GET": self._show_toxic,
                "POST": self._update_toxic,
                "PATCH": self._update_toxic,
                "DELETE": self._delete_toxic,
            },
        }

    async def answer(self, request: Request) -> Response:
        """Return the response to a request; never raises."""
        clean = posixpath.normpath(f"/{request.path.lstrip('/')}")
        if request.path.endswith("/") and clean != "/":
            clean += "/"
        if clean != request.path:
            return Response(301, headers={"Location": clean})
        parts = clean[1:].split("/")
        methods, names = self._route(parts)
        if methods is None:
            return Response(404, b"404 page not found\n", _PLAIN)
        handle = methods.get(request.method) or methods.get("*")
        if handle is None:
            return Response(405)
        response = await self._guarded(handle, request, names)
        return Response(
            response.status,
            response.body,
            {**response.headers, "X-Toxiproxy-Request-Id": secrets.token_hex(10)},
        )

    def _route(self, parts: list[str]) -> tuple[dict[str, _Handle] | None, list[str]]:
        for pattern, methods in self._routes.items():
            if len(pattern) == len(parts) and all(
                part and want in ("*", part) for want, part in zip(pattern, parts, strict=True)
            ):
                return methods, [part for want, part in zip(pattern, parts, strict=True) if want == "*"]
        return None, []

    async def _guarded(self, handle: _Handle, request: Request, names: list[str]) -> Response:
        if request.headers.get("user-agent", "").startswith("Mozilla/"):
            # A web page must not reach this API through a browser.
            return Response(403, b"User agent not allowed\n", _PLAIN)
        try:
            async with self._turn:
                return await handle(request, names)
        except ApiError as error:
            body = _written({"error": error.message, "status": error.status})
            return Response(error.status, body + b"\n", _PLAIN)
        except Exception as error:
            log.exception("%s %s failed", request.method, request.path)
            return Response(500, _written({"error": repr(error), "status": 500}) + b"\n", _PLAIN)

    # -- server --------------------------------------------------------------------------------

    async def _version(self, _request: Request, _names: list[str]) -> Response:
        body = f'{{"version": "{VERSION}"}}\n'
        headers = {"Content-Type": "application/json;charset=utf-8"}
        # Tells clients that the seed determines this server's randomness; the original has no such header.
        headers["X-Overbooked-Seed"] = str(self._collection.seed)
        return Response(200, body.encode(), headers)

    async def _metrics(self, _request: Request, _names: list[str]) -> Response:
        return Response(200, self._collection.metrics.text().encode(), {"Content-Type": CONTENT_TYPE})

    async def _reset(self, _request: Request, _names: list[str]) -> Response:
        await self._collection.reset()
        return Response(204)

    async def _populate(self, request: Request, _names: list[str]) -> Response:
        done: list[Proxy] = []
        answer: dict[str, Any] = {}
        status = 201
        warned = _JSON
        try:
            body = parse(request.body)
            warned = _warned(body)
            await self._collection.populate(body, done)
        except ApiError as error:
            answer = {"error": error.message, "status": error.status}
            status = error.status
        answer["proxies"] = [proxy.as_dict() for proxy in done] or None
        return Response(status, _written(answer), warned)

    # -- proxies -------------------------------------------------------------------------------

    async def _list(self, _request: Request, _names: list[str]) -> Response:
        return _json(self._collection.as_dict())

    async def _create(self, request: Request, _names: list[str]) -> Response:
        body = parse(request.body)
        proxy = await self._collection.create(body)
        return Response(201, _written(proxy.as_dict()), _warned(body))

    async def _show(self, _request: Request, names: list[str]) -> Response:
        return _json(self._collection.get(names[0]).as_dict())

    async def _update(self, request: Request, names: list[str]) -> Response:
        self._collection.get(names[0])  # an unknown name is reported before a bad body
        proxy = await self._collection.update(names[0], parse(request.body))
        return _json(proxy.as_dict())

    async def _delete(self, _request: Request, names: list[str]) -> Response:
        await self._collection.remove(names[0])
        return Response(204)

    # -- toxics --------------------------------------------------------------------------------

    async def _list_toxics(self, _request: Request, names: list[str]) -> Response:
        return _json(self._collection.get(names[0]).toxics_as_list())

    async def _create_toxic(self, request: Request, names: list[str]) -> Response:
        proxy = self._collection.get(names[0])
        return _json(proxy.add_toxic(parse(request.body)).as_dict())

    async def _show_toxic(self, _request: Request, names: list[str]) -> Response:
        return _json(self._collection.get(names[0]).toxic(names[1]).as_dict())

    async def _update_toxic(self, request: Request, names: list[str]) -> Response:
        proxy = self._collection.get(names[0])
        proxy.toxic(names[1])
        return _json(proxy.update_toxic(names[1], parse(request.body)).as_dict())

    async def _delete_toxic(self, _request: Request, names: list[str]) -> Response:
        proxy = self._collection.get(names[0])
        proxy.remove_toxic(proxy.toxic(names[1]))
        return Response(204)


def _warned(body: Any) -> dict[str, str]:
    """The headers of the response to a creation of proxies, with a warning if toxics were given."""
    warning = without_toxics(body).encode("ascii", "backslashreplace").decode()
    return {**_JSON, "X-Overbooked-Warning": warning} if warning else _JSON


def _written(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def _json(value: Any) -> Response:
    return Response(200, _written(value), _JSON)
