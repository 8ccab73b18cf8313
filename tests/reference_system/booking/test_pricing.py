"""Offers and quotes: prices of slots, and that a quoted price is kept."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import psycopg
import pytest

from tests.reference_system.house import House, Person, new_slot

Connection = psycopg.AsyncConnection[Any]

# An id of no object; constant, because all workers must collect the same tests.
NOBODYS = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
async def ana(house: House) -> Person:
    return await house.person()


async def add_rule(house: House, scope: str, scope_id: str, percent: str) -> str:
    body = {"scope": scope, "scope_id": scope_id, "percent": percent}
    made = await house.http.post("/price-rules", json=body, headers=(await house.operator()).headers)
    assert made.status_code == 201, made.text
    return str(made.json()["id"])


async def change(house: House, slot: str, **body: Any) -> None:
    changed = await house.http.patch(f"/slots/{slot}", json=body, headers=(await house.operator()).headers)
    assert changed.status_code == 200, changed.text


async def amount(house: House, who: Person, slot: str) -> int:
    return int((await house.quote(who, slot))["amount_minor"])


async def test_a_quote_names_the_price_in_minor_and_major_units(house: House, ana: Person) -> None:
    service = await house.service(await house.venue(currency="KWD"), base_price_minor=12345)
    slot = await house.slot(service=service)
    quoted = await house.quote(ana, slot)
    assert (quoted["slot_id"], quoted["amount_minor"], quoted["currency"], quoted["amount"]) == (
        slot,
        12345,
        "KWD",
        "12.345",
    )


async def test_a_quote_is_kept_for_its_time_by_the_services_clock(clock: House, ana: Person) -> None:
    slot = await clock.slot()
    await clock.move_clock(3600)
    fresh = Person(ana.id, ana.email, await clock.log_in(ana.email))
    now = datetime.fromisoformat((await clock.http.get("/_control/clock")).json()["now"])
    expires_at = datetime.fromisoformat((await clock.quote(fresh, slot))["expires_at"])
    ttl_s = clock.runtime.settings.price_lock_ttl_s
    assert ttl_s <= (expires_at - now).total_seconds() < ttl_s + 30


async def test_every_way_of_repricing_moves_the_next_quote_and_no_earlier_one(
    house: House, ana: Person, owner: Connection
) -> None:
    venue = await house.venue()
    service = await house.service(venue, base_price_minor=1000)
    slot = await house.slot(service=service)
    first = await house.quote(ana, slot)
    operator = await house.operator()

    await house.http.put(
        f"/services/{service}/price", json={"base_price_minor": 2000}, headers=operator.headers
    )
    assert await amount(house, ana, slot) == 2000
    await change(house, slot, price_minor=3000)
    assert await amount(house, ana, slot) == 3000
    rules = [
        await add_rule(house, "slot", slot, "10"),
        await add_rule(house, "service", service, "-5"),
        await add_rule(house, "venue", venue, "2.5"),
    ]
    assert await amount(house, ana, slot) == 3225
    for rule in rules:
        ended = await house.http.delete(f"/price-rules/{rule}", headers=operator.headers)
        assert ended.status_code == 204
    assert await amount(house, ana, slot) == 3000
    await change(house, slot, price_minor=None)
    assert await amount(house, ana, slot) == 2000

    found = await owner.execute("SELECT amount_minor FROM price_locks WHERE id = %s", (first["id"],))
    assert await found.fetchone() == (1000,)


async def test_a_slot_shows_what_it_costs_now(house: House) -> None:
    service = await house.service(await house.venue(), base_price_minor=1000)
    slot = await house.slot(service=service, price_minor=400)
    await add_rule(house, "slot", slot, "-50")
    shown = (await house.http.get(f"/slots/{slot}")).json()
    assert (shown["price_minor"], shown["own_price_minor"], shown["currency"]) == (200, 400, "EUR")
    listed = (await house.http.get(f"/services/{service}/slots")).json()
    assert listed == [shown]


async def test_rounding_follows_the_venue(house: House, ana: Person) -> None:
    for rounding, expected in [("half_up", 113), ("down", 112), ("half_even", 112)]:
        venue = await house.venue(rounding=rounding)
        slot = await house.slot(service=await house.service(venue, base_price_minor=100))
        await add_rule(house, "venue", venue, "12.5")
        assert await amount(house, ana, slot) == expected


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/venues", {"name": "V", "timezone": "UTC", "currency": "EUR", "rounding": "half_up"}),
        ("POST", f"/venues/{NOBODYS}/services", {"name": "S", "base_price_minor": 1}),
        ("POST", "/slots", new_slot(NOBODYS)),
        ("PATCH", f"/slots/{NOBODYS}", {"price_minor": 1}),
        ("PUT", f"/services/{NOBODYS}/price", {"base_price_minor": 1}),
        ("POST", "/price-rules", {"scope": "slot", "scope_id": NOBODYS, "percent": "1"}),
        ("DELETE", f"/price-rules/{NOBODYS}", None),
        ("GET", "/audit", None),
    ],
)
async def test_offers_and_prices_are_for_operators(
    house: House, ana: Person, method: str, path: str, body: dict[str, Any] | None
) -> None:
    refused = await house.http.request(method, path, json=body, headers=ana.headers)
    assert (refused.status_code, refused.json()["type"]) == (403, "forbidden")


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", f"/venues/{NOBODYS}/services", {"name": "S", "base_price_minor": 1}),
        ("POST", "/slots", new_slot(NOBODYS)),
        ("PATCH", f"/slots/{NOBODYS}", {"price_minor": 1}),
        ("PATCH", f"/slots/{NOBODYS}", {"capacity": 1}),
        ("PATCH", f"/slots/{NOBODYS}", {}),
        ("GET", f"/slots/{NOBODYS}", None),
        ("PUT", f"/services/{NOBODYS}/price", {"base_price_minor": 1}),
        ("POST", "/price-rules", {"scope": "venue", "scope_id": NOBODYS, "percent": "1"}),
        ("DELETE", f"/price-rules/{NOBODYS}", None),
        ("POST", "/quotes", {"slot_id": NOBODYS}),
    ],
)
async def test_what_does_not_exist_is_not_found(
    house: House, method: str, path: str, body: dict[str, Any] | None
) -> None:
    answer = await house.http.request(method, path, json=body, headers=(await house.operator()).headers)
    assert (answer.status_code, answer.json()["type"]) == (404, "not-found")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/venues", {"name": "V", "timezone": "Nowhere/Here", "currency": "EUR", "rounding": "half_up"}),
        ("/venues", {"name": "V", "timezone": "UTC", "currency": "XXX", "rounding": "half_up"}),
        ("/venues", {"name": "V", "timezone": "UTC", "currency": "EUR", "rounding": "sideways"}),
        ("/slots", new_slot(NOBODYS) | {"ends_at": "2090-05-01T09:00:00+02:00"}),
        ("/slots", new_slot(NOBODYS) | {"starts_at": "2090-05-01T09:00:00"}),
        ("/slots", new_slot(NOBODYS) | {"capacity": -1}),
        ("/slots", new_slot(NOBODYS) | {"price_minor": -1}),
        ("/price-rules", {"scope": "slot", "scope_id": NOBODYS, "percent": "-101"}),
    ],
)
async def test_what_makes_no_sense_is_refused(house: House, path: str, body: dict[str, Any]) -> None:
    refused = await house.http.post(path, json=body, headers=(await house.operator()).headers)
    assert (refused.status_code, refused.json()["type"]) == (422, "invalid-request")
    assert refused.json()["errors"]
