"""Wraps every request: request id, metrics, one log line, and the answer to an unexpected error."""

from __future__ import annotations

import time
from uuid import uuid4

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from reference_system.booking.platform import problems
from reference_system.booking.platform.metrics import Metrics
from reference_system.booking.platform.problems import Problem

REQUEST_ID = "X-Request-Id"
MAX_REQUEST_ID = 100

_log = structlog.get_logger(__name__)


class Observing:
    """ASGI middleware; responses are streamed, not buffered."""

    def __init__(self, app: ASGIApp, *, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = Headers(scope=scope).get(REQUEST_ID, "")[:MAX_REQUEST_ID] or uuid4().hex
        status = 500
        answering = False
        started = time.perf_counter()

        async def observed(message: Message) -> None:
            nonlocal status, answering
            if message["type"] == "http.response.start":
                answering = True
                status = message["status"]
                MutableHeaders(scope=message)[REQUEST_ID] = request_id
            await send(message)

        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id)
        self._metrics.in_flight.inc()
        try:
            await self._app(scope, receive, observed)
        except Exception:
            # A bug: expected errors are translated before they reach this point.
            _log.exception("unexpected-error", method=scope["method"], path=scope["path"])
            if answering:
                raise
            await Problem(problems.INTERNAL).response()(scope, receive, observed)
        finally:
            self._metrics.in_flight.dec()
            self._finish(scope, status, time.perf_counter() - started)

    def _finish(self, scope: Scope, status: int, seconds: float) -> None:
        method = scope["method"]
        route = getattr(scope.get("route"), "path", "unknown")
        self._metrics.requests.labels(method, route, str(status)).inc()
        self._metrics.latency.labels(method, route).observe(seconds)
        _log.info("request", method=method, path=scope["path"], status=status, ms=round(seconds * 1000, 1))
