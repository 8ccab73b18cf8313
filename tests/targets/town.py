"""A fake booking system ("town") with predefined answers, and its adapter."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from overbooked.capabilities.booking import BOOKING
from overbooked.capabilities.checkout import CHECKOUT
from overbooked.journeys.identities import People
from overbooked.system.system import System
from overbooked.targets.adapter import (
    Account,
    Action,
    AdapterContext,
    Answer,
    CheckoutStep,
    HttpRequest,
    HttpResponse,
    Money,
    Outcome,
    Slot,
)
from overbooked.targets.client import Client, ClientTimeouts


@dataclass
class Call:
    """One request as the server got it."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    connection: int
    raw: asyncio.StreamWriter = field(repr=False)

    @property
    def json(self) -> Any:
        return json.loads(self.body)


# An answer: (status, JSON), raw bytes, or None to close the connection.
Reply = tuple[int, Any] | bytes | None
Handler = Callable[[Call], Awaitable[Reply]]


class Town:
    """Records its calls; books a slot once."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.sold: list[str] = []
        self.connections = 0
        self.reply: Handler = self.books
        self.url = ""
        self._server: asyncio.Server | None = None

    async def books(self, call: Call) -> Reply:
        if not call.path.startswith("/book/"):
            return 200, {}
        slot = call.path.removeprefix("/book/")
        if slot in self.sold:
            return 409, {"type": "full"}
        self.sold.append(slot)
        return 201, {"id": f"b{len(self.sold)}"}

    async def __aenter__(self) -> Town:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        host, port = self._server.sockets[0].getsockname()[:2]
        self.url = f"http://{host}:{port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        number = self.connections
        try:
            while await self._one(reader, writer, number):
                pass
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.rstrip().split("\r\n")
        method, path, _ = first.split(" ")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        call = Call(method, path, headers, body, number, writer)
        self.calls.append(call)
        reply = await self.reply(call)
        if reply is None:
            return False
        if isinstance(reply, bytes):
            writer.write(reply)
            await writer.drain()
            return b"Connection: close" not in reply
        status, document = reply
        payload = json.dumps(document).encode()
        writer.write(b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n" % (status, len(payload)) + payload)
        await writer.drain()
        return True


class TownHall:
    """The town's adapter: books, and walks a two-step checkout."""

    capabilities = frozenset({BOOKING, CHECKOUT})

    def __init__(self) -> None:
        self.slots = 0
        self.closed = False

    async def connect(self, surroundings: AdapterContext) -> None:
        self.surroundings = surroundings

    async def close(self) -> None:
        self.closed = True

    async def open_slot(self, *, capacity: int, price: Money, private_venue: bool = False) -> Slot:
        self.slots += 1
        return Slot(f"s{self.slots}", capacity, price)

    async def customers(self, names: Sequence[tuple[str, str]]) -> list[Account]:
        return [Account(name, email) for name, email in names]

    def book(self, who: Account, slot: Slot, *, key: str | None = None) -> Action:
        headers = {"X-Key": key} if key else {}
        sent = HttpRequest("POST", f"/book/{slot.id}", headers, b"{}")
        return Action("book", who.lane, sent, read, {"slot": slot.id} | ({"key": key} if key else {}))

    def cancel(self, who: Account, booking: str) -> Action:
        return Action("cancel", who.lane, HttpRequest("DELETE", f"/b/{booking}"), read, {"booking": booking})

    async def places(self, slot: Slot) -> tuple[int, int]:
        return slot.capacity, 0

    def checkout(self, who: Account, slot: Slot, *, key: str, method: str = "card") -> Sequence[CheckoutStep]:
        def begin(_: Any) -> Action:
            return Action("begin", who.lane, HttpRequest("POST", f"/book/{slot.id}", {}, b"{}"), read)

        def pay(known: Any) -> Action:
            body = json.dumps({"booking": known["booking"], "key": key, "method": method}).encode()
            return Action("pay", who.lane, HttpRequest("POST", "/pay", {}, body), read)

        return [CheckoutStep("begin", begin), CheckoutStep("pay", pay)]

    def read_checkout(self, who: Account, checkout: str) -> Action:
        return Action("read checkout", who.lane, HttpRequest("GET", f"/c/{checkout}"), read)

    def resume(self, who: Account, checkout: str, *, key: str, method: str = "card") -> Action:
        return Action("pay", who.lane, HttpRequest("POST", f"/c/{checkout}", {"X-Key": key}, b""), read)

    def use_lock(self, who: Account, lock: str, slot: Slot) -> Action:
        return Action("begin", who.lane, HttpRequest("POST", f"/l/{lock}/{slot.id}"), read)


def read(response: HttpResponse) -> Answer:
    document = json.loads(response.body)
    if response.status < 400:
        return Answer(Outcome.OK, response.status, {"booking": document["id"]} if "id" in document else {})
    return Answer(Outcome.REFUSED, response.status, problem=document["type"])


@asynccontextmanager
async def at(*towns: Town, patience: ClientTimeouts | None = None) -> AsyncIterator[System]:
    """A system whose replicas are these towns."""
    client = Client([town.url for town in towns], patience or ClientTimeouts(connect_s=2, answer_s=2))
    system = System(TownHall(), client, People(3), random.Random(3))
    try:
        yield system
    finally:
        await system.close()
