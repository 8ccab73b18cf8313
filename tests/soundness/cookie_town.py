"""A town with cookie sessions and a two-page booking; its adapter never writes a Cookie header."""

from __future__ import annotations

import json
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from overbooked.capabilities.booking import BOOKING
from overbooked.journeys.identities import People
from overbooked.system.system import System
from overbooked.targets.adapter import (
    Account,
    Action,
    AdapterContext,
    Answer,
    HttpRequest,
    HttpResponse,
    Money,
    Outcome,
    Slot,
)
from overbooked.targets.client import Client, ClientTimeouts
from tests.targets.town import Call, Reply, Town, read


def page(status: int, document: object, *headers: str) -> bytes:
    """Return a whole response with the given headers, which may repeat a name."""
    body = json.dumps(document).encode()
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


class CookieTown(Town):
    """A correct service: a session is a cookie, a form has a token, a place is sold once."""

    def __init__(self) -> None:
        super().__init__()
        self.sessions: set[str] = set()
        self.owners: dict[str, str] = {}
        self.tokens: dict[str, str] = {}
        self.reply = self.serve

    def session(self, call: Call) -> str:
        """Return the session of a request; empty without one."""
        cookies = dict(part.split("=", 1) for part in call.headers.get("cookie", "=").split("; "))
        named = cookies.get("session", "")
        return named if named in self.sessions and cookies.get("theme") == "dark" else ""

    async def serve(self, call: Call) -> Reply:
        if call.path == "/login":
            name = f"s{len(self.sessions) + 1}"
            self.sessions.add(name)
            return page(
                200,
                {},
                f"Set-Cookie: session={name}; Path=/; HttpOnly",
                "Set-Cookie: theme=dark; Max-Age=900",
            )
        session = self.session(call)
        if not session:
            return page(401, {"type": "log in"})
        if call.method == "GET":
            slot = call.path.removeprefix("/form/")
            if slot in self.sold:
                return page(409, {"type": "full"})
            token = f"t{len(self.tokens) + 1}"
            self.tokens[token] = session
            return page(200, {"token": token})
        if call.method == "DELETE":
            booking = call.path.removeprefix("/b/")
            if self.owners.get(booking) != session:
                return page(403, {"type": "not yours"})
            del self.owners[booking]
            return page(200, {})
        if self.tokens.pop(call.json["token"], "") != session:
            return page(403, {"type": "forged form"})
        slot = call.path.removeprefix("/book/")
        if slot in self.sold:
            return page(409, {"type": "full"})
        self.sold.append(slot)
        booking = f"b{len(self.sold)}"
        self.owners[booking] = session
        return page(201, {"id": booking})


class CookieHall:
    """The adapter; it relies on an HTTP client that handles cookies itself."""

    capabilities = frozenset({BOOKING})

    async def connect(self, surroundings: AdapterContext) -> None:
        self.send = surroundings.send

    async def close(self) -> None:
        pass

    async def open_slot(self, *, capacity: int, price: Money, private_venue: bool = False) -> Slot:
        self.slots = getattr(self, "slots", 0) + 1
        return Slot(f"s{self.slots}", capacity, price)

    async def customers(self, names: Sequence[tuple[str, str]]) -> list[Account]:
        made = []
        for name, email in names:
            assert (await self.send(HttpRequest("POST", "/login"))).status == 200
            made.append(Account(name, email))
        return made

    def book(self, who: Account, slot: Slot, *, key: str | None = None) -> Action:
        def submit(form: HttpResponse) -> HttpRequest | Answer:
            if form.status != 200:
                return read(form)
            token = json.loads(form.body)["token"]
            return HttpRequest("POST", f"/book/{slot.id}", {}, json.dumps({"token": token}).encode())

        ask = HttpRequest("GET", f"/form/{slot.id}")
        return Action("book", who.lane, ask, read, {"slot": slot.id}, then=[submit])

    def cancel(self, who: Account, booking: str) -> Action:
        return Action("cancel", who.lane, HttpRequest("DELETE", f"/b/{booking}"), read, {"booking": booking})

    async def places(self, slot: Slot) -> tuple[int, int]:
        return slot.capacity, 0


@asynccontextmanager
async def in_town(*towns: Town) -> AsyncIterator[System]:
    """Yield a connected system whose replicas are these towns."""
    client = Client([town.url for town in towns], ClientTimeouts(connect_s=2, answer_s=2))
    hall = CookieHall()
    await hall.connect(AdapterContext(client, {}, {}, {}, 1))
    system = System(hall, client, People(3), random.Random(3))
    try:
        yield system
    finally:
        await system.close()


__all__ = ["CookieHall", "CookieTown", "Outcome", "in_town", "page"]
