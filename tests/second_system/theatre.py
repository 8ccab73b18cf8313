"""A theatre that takes reservations of seats: another framework, another vocabulary, another store.

Run as `python theatre.py --port 8000 --file theatre.sqlite3 [--build naive|locked]`.
"""

from __future__ import annotations

import argparse
import secrets
import sqlite3
from pathlib import Path

from flask import Flask, Response, g, request
from werkzeug.serving import WSGIRequestHandler, make_server

TABLES = """
CREATE TABLE IF NOT EXISTS shows (show INTEGER PRIMARY KEY, title TEXT NOT NULL, seats INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS guests (token TEXT PRIMARY KEY, name TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS reservations (
    ref TEXT PRIMARY KEY, show INTEGER NOT NULL, token TEXT NOT NULL, given_back INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS of_show ON reservations (show) WHERE given_back = 0;
"""
FIRST = "SELECT ref FROM reservations WHERE show = ? AND given_back = 0"
RESERVED = "SELECT count(*) FROM reservations WHERE show = ? AND given_back = 0"


def theatre(file: Path, *, locked: bool, shared: bool = False) -> Flask:
    """Create the box office. `locked`: a seat is found and taken under one lock; otherwise in two steps.

    `shared`: no request is refused; later requests get the existing reservation.
    """
    app = Flask("theatre")

    def books() -> sqlite3.Connection:
        if "books" not in g:
            g.books = sqlite3.connect(file, timeout=10, isolation_level=None)
            g.books.execute("PRAGMA synchronous = OFF")
        opened: sqlite3.Connection = g.books
        return opened

    @app.teardown_appcontext
    def put_away(_error: BaseException | None) -> None:
        if "books" in g:
            g.pop("books").close()

    @app.get("/up")
    def up() -> str:
        return "up"

    @app.post("/shows")
    def announce() -> Response:
        seats = int(request.form["seats"])
        made = books().execute("INSERT INTO shows (title, seats) VALUES ('Faust', ?)", (seats,))
        return Response(f"show {made.lastrowid}")

    @app.get("/shows/<int:show>")
    def house(show: int) -> Response:
        seats = books().execute("SELECT seats FROM shows WHERE show = ?", (show,)).fetchone()[0]
        reserved = books().execute(RESERVED, (show,)).fetchone()[0]
        return Response(f"{reserved} of {seats} reserved")

    @app.post("/guests")
    def greet() -> Response:
        token = secrets.token_hex(8)
        books().execute("INSERT INTO guests VALUES (?, ?)", (token, request.form["name"]))
        return Response(f"welcome {token}")

    @app.post("/shows/<int:show>/reservations")
    def reserve(show: int) -> Response:
        db = books()
        if locked:
            db.execute("BEGIN IMMEDIATE")
        there = shared and db.execute(FIRST, (show,)).fetchone()
        seats = db.execute("SELECT seats FROM shows WHERE show = ?", (show,)).fetchone()[0]
        reserved = db.execute(RESERVED, (show,)).fetchone()[0]
        guest = db.execute(
            "SELECT token FROM guests WHERE token = ?", (request.headers["X-Guest"],)
        ).fetchone()
        ref = secrets.token_hex(8)
        if there:
            if locked:
                db.execute("COMMIT")
            return Response(f"reserved {there[0]}")
        if free := reserved < seats or shared:
            db.execute("INSERT INTO reservations (ref, show, token) VALUES (?, ?, ?)", (ref, show, guest[0]))
        if locked:
            db.execute("COMMIT")
        return Response(f"reserved {ref}") if free or shared else Response("house full", 409)

    @app.delete("/reservations/<ref>")
    def give_back(ref: str) -> Response:
        token = request.headers["X-Guest"]
        changed = books().execute(
            "UPDATE reservations SET given_back = 1 WHERE ref = ? AND token = ? AND given_back = 0",
            (ref, token),
        )
        return Response("given back") if changed.rowcount else Response("not yours to give back", 409)

    return app


class _Quiet(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"  # keep connections open

    def log_request(self, *_: object) -> None:
        pass


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--file", type=Path, required=True)
    parser.add_argument(
        "--build", choices=["naive", "locked", "shared-naive", "shared-locked"], default="locked"
    )
    options = parser.parse_args()
    db = sqlite3.connect(options.file)
    db.execute("PRAGMA journal_mode = WAL")
    db.executescript(TABLES)
    db.close()
    build = options.build
    app = theatre(options.file, locked=build.endswith("locked"), shared=build.startswith("shared"))
    make_server(options.host, options.port, app, threaded=True, request_handler=_Quiet).serve_forever()


if __name__ == "__main__":
    main()
