"""A minimal booking service on the standard library, for tests of stacks.

`python -m tests.stacks.standin HOST PORT [MUTANT]`; a GET of
/health answers 200, /database counts rows through the link, /redis sets a key, /provider asks the
provider, /app asks the service (as the provider), /mutant returns the mutant, /pid the process id.
"""

from __future__ import annotations

import os
import socket
import sys
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit


def rows() -> str:
    import psycopg

    with psycopg.connect(os.environ["DATABASE_URL"], connect_timeout=20) as connection:
        connection.execute("INSERT INTO visits DEFAULT VALUES")
        found = connection.execute("SELECT count(*) FROM visits").fetchone()
    assert found is not None
    return str(found[0])


def keys() -> str:
    parts = urlsplit(os.environ["REDIS_URL"])
    with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=20) as connection:
        connection.sendall(f"AUTH {parts.password}\r\nINCR visits\r\nQUIT\r\n".encode())
        answers = b""
        while data := connection.recv(1000):
            answers += data
    return answers.split(b"\r\n")[1].decode().strip(":")


def fetch(url: str) -> str:
    with urllib.request.urlopen(url, timeout=20) as response:
        return str(response.read().decode())


PAGES = {
    "/health": lambda: "well",
    "/database": rows,
    "/redis": keys,
    "/payments": lambda: fetch(os.environ["PROVIDER_URL"] + "/pid"),
    "/app": lambda: fetch(os.environ["APP_URL"] + "/pid"),
    "/mutant": lambda: sys.argv[3] if len(sys.argv) > 3 else "healthy",
    "/pid": lambda: str(os.getpid()),
    "/die": lambda: os._exit(3),
}


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        try:
            body, status = PAGES[self.path]().encode(), 200
        except Exception as error:
            body, status = f"{type(error).__name__}: {error}".encode(), 500
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        sys.stdout.write(f"served {self.path}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    ThreadingHTTPServer((sys.argv[1], int(sys.argv[2])), Handler).serve_forever()
