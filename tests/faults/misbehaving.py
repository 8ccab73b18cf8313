"""A fake Toxiproxy with answers set by a test."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Misbehaving:
    """`answers` by `METHOD path`: (status, body); a body other than a string is sent as JSON.

    None means no answer. `asked` has every request, in order.
    """

    def __init__(self) -> None:
        self.answers: dict[str, tuple[int, Any] | None] = {}
        self.asked: list[tuple[str, Any]] = []
        self.ended = threading.Event()
        self.url = ""


@contextlib.contextmanager
def misbehaving() -> Iterator[Misbehaving]:
    told = Misbehaving()

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            what = f"{self.command} {self.path}"
            told.asked.append((what, json.loads(body) if body else None))
            answer = told.answers[what]
            if answer is None:
                told.ended.wait(10)
                return
            status, value = answer
            content = (value if isinstance(value, str) else json.dumps(value)).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        # Named by the library.
        do_GET = do_POST = do_PATCH = do_DELETE = answer  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    told.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield told
    finally:
        told.ended.set()
        server.shutdown()
        server.server_close()
