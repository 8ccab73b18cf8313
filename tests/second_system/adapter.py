"""The adapter of the theatre: a show is a slot, a reservation a booking, a guest a customer."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from urllib.parse import urlencode

from overbooked.adapter import (
    Account,
    Action,
    AdapterContext,
    Answer,
    HttpRequest,
    HttpResponse,
    Money,
    Outcome,
    Slot,
    TargetError,
    TransportError,
)


class BoxOffice:
    """Satisfies `overbooked.adapter.Adapter`; offers booking and nothing else."""

    capabilities = frozenset({"booking"})

    async def connect(self, context: AdapterContext) -> None:
        self._send = context.send

    async def close(self) -> None:
        pass

    async def open_slot(self, *, capacity: int, price: Money, private_venue: bool = False) -> Slot:
        show = (await self._ask("/shows", seats=str(capacity))).split()[1]
        return Slot(show, capacity, price)

    async def customers(self, names: Sequence[tuple[str, str]]) -> list[Account]:
        greetings = await asyncio.gather(*(self._ask("/guests", name=name) for name, _ in names))
        return [
            Account(name, email, session=greeting.split()[1])
            for (name, email), greeting in zip(names, greetings, strict=True)
        ]

    def book(self, who: Account, slot: Slot, *, key: str | None = None) -> Action:
        request = HttpRequest("POST", f"/shows/{slot.id}/reservations", {"X-Guest": who.session})
        return Action("book", who.lane, request, _reserved, {"slot": slot.id})

    def cancel(self, who: Account, booking: str) -> Action:
        request = HttpRequest("DELETE", f"/reservations/{booking}", {"X-Guest": who.session})
        return Action("cancel", who.lane, request, _read, {"booking": booking})

    async def places(self, slot: Slot) -> tuple[int, int]:
        words = (await self._ask(f"/shows/{slot.id}")).split()
        return int(words[2]), int(words[0])

    async def _ask(self, path: str, **form: str) -> str:
        request = HttpRequest("GET", path)
        if form:
            headers = {"Content-Type": "application/x-www-form-urlencoded"}
            request = HttpRequest("POST", path, headers, urlencode(form).encode())
        try:
            response = await self._send(request)
        except TransportError as error:
            raise TargetError(f"the theatre did not answer {path}: {error}") from error
        if response.status != 200:
            raise TargetError(f"the theatre answered {path} with {response.status}: {response.body!r}")
        return response.body.decode()


def _read(response: HttpResponse) -> Answer:
    words = response.body.decode()
    if response.status == 200:
        return Answer(Outcome.OK, response.status)
    return Answer(Outcome.REFUSED, response.status, problem=words)


def _reserved(response: HttpResponse) -> Answer:
    answer = _read(response)
    return replace(answer, facts={"booking": response.body.decode().split()[1]}) if answer.ok else answer


class SharedBoxOffice(BoxOffice):
    """For the theatre's builds that refuse no request: later requests get the existing reservation."""

    refuses = False
