"""Helpers for tests of the service: customers, slots and requests."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import httpx
from fastapi import FastAPI

from reference_system.booking.platform.app import create_app
from reference_system.booking.platform.runtime import Runtime
from reference_system.booking.platform.settings import Settings

OPERATOR_EMAIL = "operator@house.example"
OPERATOR_PASSWORD = "the operator's password"
PASSWORD = "a password that will do"
JWT_SECRET = "a secret that signs tokens in tests only"


@dataclass(slots=True)
class Person:
    """A customer with an account and a session."""

    id: str
    email: str
    session: dict[str, Any]

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.session['access_token']}"}


@dataclass(slots=True)
class House:
    """One instance of the service, in the test's process."""

    app: FastAPI
    http: httpx.AsyncClient
    _operator: Person | None = None
    _service_ids: dict[str, str] = field(default_factory=dict)

    @property
    def runtime(self) -> Runtime:
        runtime: Runtime = self.app.state.runtime
        return runtime

    async def person(self) -> Person:
        """Return a new customer, logged in."""
        email = f"{uuid4().hex}@people.example"
        made = await self.http.post("/accounts", json={"email": email, "name": "Ana", "password": PASSWORD})
        assert made.status_code == 201, made.text
        return Person(made.json()["id"], email, await self.log_in(email))

    async def people(self, n: int) -> list[Person]:
        return [await self.person() for _ in range(n)]

    async def log_in(self, email: str, password: str = PASSWORD) -> dict[str, Any]:
        answer = await self.http.post("/sessions", json={"email": email, "password": password})
        assert answer.status_code == 201, answer.text
        session: dict[str, Any] = answer.json()
        return session

    async def operator(self) -> Person:
        if self._operator is None:
            session = await self.log_in(OPERATOR_EMAIL, OPERATOR_PASSWORD)
            self._operator = Person("", OPERATOR_EMAIL, session)
        return self._operator

    async def venue(self, *, currency: str = "EUR", rounding: str = "half_up") -> str:
        body = {"name": "A venue", "timezone": "Europe/Berlin", "currency": currency, "rounding": rounding}
        return await self._made("/venues", body)

    async def service(self, venue: str, *, base_price_minor: int = 1999) -> str:
        body = {"name": "A service", "base_price_minor": base_price_minor}
        return await self._made(f"/venues/{venue}/services", body)

    async def slot(self, *, capacity: int = 1, service: str | None = None, **body: Any) -> str:
        """Create a slot, by default of one service at 19.99 EUR."""
        if service is None:
            if "EUR" not in self._service_ids:
                self._service_ids["EUR"] = await self.service(await self.venue())
            service = self._service_ids["EUR"]
        return await self._made("/slots", new_slot(service, capacity=capacity) | body)

    async def places(self, slot: str) -> tuple[int, int]:
        """Return (capacity, taken) of a slot."""
        answer = (await self.http.get(f"/slots/{slot}")).json()
        return answer["capacity"], answer["taken"]

    async def book(self, who: Person, slot: str, **headers: str) -> httpx.Response:
        return await self.http.post("/bookings", json={"slot_id": slot}, headers=who.headers | headers)

    async def booked(self, who: Person, slot: str) -> str:
        """Book a place, which must succeed; returns the booking's id."""
        answer = await self.book(who, slot)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    async def cancel(self, who: Person, booking: str) -> httpx.Response:
        return await self.http.post(f"/bookings/{booking}/cancel", headers=who.headers)

    async def reschedule(self, who: Person, booking: str, slot: str) -> httpx.Response:
        return await self.http.post(
            f"/bookings/{booking}/reschedule", json={"slot_id": slot}, headers=who.headers
        )

    async def resize(self, slot: str, capacity: int) -> httpx.Response:
        operator = await self.operator()
        return await self.http.patch(f"/slots/{slot}", json={"capacity": capacity}, headers=operator.headers)

    async def quote(self, who: Person, slot: str) -> dict[str, Any]:
        answer = await self.http.post("/quotes", json={"slot_id": slot}, headers=who.headers)
        assert answer.status_code == 201, answer.text
        quoted: dict[str, Any] = answer.json()
        return quoted

    async def move_clock(self, offset_s: float) -> None:
        answer = await self.http.post("/_control/clock", json={"offset_s": offset_s})
        assert answer.status_code == 200, answer.text

    async def run_job(self, name: str) -> dict[str, Any]:
        answer = await self.http.post(f"/_control/jobs/{name}")
        assert answer.status_code == 200, answer.text
        report: dict[str, Any] = answer.json()
        return report

    async def _made(self, path: str, body: dict[str, Any]) -> str:
        operator = await self.operator()
        answer = await self.http.post(path, json=body, headers=operator.headers)
        assert answer.status_code == 201, answer.text
        return str(UUID(answer.json()["id"]))


def new_slot(service: str, *, capacity: int = 1) -> dict[str, Any]:
    """Return the body of a slot in the far future that overlaps no other."""
    return {
        "service_id": service,
        "resource_no": secrets.randbits(61),
        "starts_at": "2090-05-01T10:00:00+02:00",
        "ends_at": "2090-05-01T11:00:00+02:00",
        "capacity": capacity,
    }


def settings(database_url: str, redis_url: str, **changes: Any) -> Settings:
    """Return settings with the control plane on and timers off."""
    values: dict[str, Any] = {
        "database_url": database_url,
        "redis_url": redis_url,
        "jwt_secret": JWT_SECRET,
        "provider_key": "a provider key",
        "webhook_secret": "a webhook secret",
        "operator_email": OPERATOR_EMAIL,
        "operator_password": OPERATOR_PASSWORD,
        "control": True,
        "timers": False,
        "argon2_cost": "low",
    }
    return Settings(**(values | changes))


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[House]:
    """Run the service while the block runs."""
    app = create_app(settings)
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://house", timeout=60) as http:
            house = House(app, http)
            await app.state.runtime.until_ready()
            yield house
