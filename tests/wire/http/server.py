"""uvicorn with a small application, for tests of the gate."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn

START_TIMEOUT_S = 10.0
Message = MutableMapping[str, Any]


@dataclass
class Application:
    """Counts what it is asked; echoes bodies, streams, answers early, speaks WebSocket."""

    seen: list[str] = field(default_factory=list)

    async def __call__(
        self,
        scope: Message,
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        if scope["type"] == "websocket":
            await self._websocket(receive, send)
        elif scope["type"] == "http":
            self.seen.append(f"{scope['method']} {scope['path']}")
            await self._http(scope["path"], receive, send)

    async def _http(
        self, path: str, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
    ) -> None:
        async def start(status: int, *headers: tuple[bytes, bytes]) -> None:
            await send({"type": "http.response.start", "status": status, "headers": list(headers)})

        if path == "/early":
            await start(413, (b"content-length", b"0"))
            await send({"type": "http.response.body", "body": b""})
            return
        body = b""
        more = True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        if path == "/empty":
            await start(204)
            await send({"type": "http.response.body", "body": b""})
        elif path == "/stream":
            await start(200)
            for n in range(5):
                await send({"type": "http.response.body", "body": b"%d\n" % n, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
        else:
            answer = body or b"hello"
            await start(200, (b"content-length", b"%d" % len(answer)))
            await send({"type": "http.response.body", "body": answer})

    async def _websocket(
        self, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
    ) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": "welcome"})
        while (message := await receive())["type"] == "websocket.receive":
            await send({"type": "websocket.send", "text": message["text"].upper()})


@contextmanager
def http_server(application: Application, *, keep_alive_s: int = 5) -> Iterator[tuple[str, int]]:
    """Its address, once it listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        config = uvicorn.Config(
            application, log_level="warning", lifespan="off", ws="wsproto", timeout_keep_alive=keep_alive_s
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=lambda: asyncio.run(server.serve([listener])), daemon=True)
        thread.start()
        give_up = time.monotonic() + START_TIMEOUT_S
        while not server.started:
            assert time.monotonic() < give_up, f"uvicorn did not start within {START_TIMEOUT_S:g} s"
            time.sleep(0.01)
        yield listener.getsockname()
        server.should_exit = server.force_exit = True
        thread.join(START_TIMEOUT_S)
