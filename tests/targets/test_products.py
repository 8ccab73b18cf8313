"""Actions of several requests, places sold by several products, headers that come several times."""

from __future__ import annotations

import pytest

from overbooked.capabilities.booking import BookingRow
from overbooked.capabilities.durable_state import DurableState
from overbooked.targets.adapter import Action, Answer, HttpRequest, HttpResponse, Money, Outcome, Slot
from tests.soundness.cookie_town import CookieTown, in_town, page
from tests.targets.town import Call, Reply, Town, at, read


async def test_a_booking_of_two_pages_is_one_operation() -> None:
    async with CookieTown() as town, in_town(town) as system:
        ana, ben = await system.customers(2)
        slot = await system.open_slot()
        won, lost = await system.do(ana.books(slot)), await system.do(ben.books(slot))
    assert (won.status, won.facts) == (201, {"booking": "b1"})
    assert (lost.status, lost.problem) == (409, "full")
    assert [(op.verb, op.outcome) for op in system.history] == [
        ("book", Outcome.OK),
        ("book", Outcome.REFUSED),
    ]


async def test_a_page_that_fails_leaves_the_outcome_unknown_and_nothing_further_is_sent() -> None:
    async def fail(_: Call) -> Reply:
        return 503, {"type": "down"}

    async with CookieTown() as town, in_town(town) as system:
        (ana,) = await system.customers(1)
        town.reply = fail
        answer = await system.do(ana.books(await system.open_slot()))
    assert (answer.outcome, answer.status) == (Outcome.UNKNOWN, 503)
    assert [call.path for call in town.calls] == ["/login", "/form/s1"]


async def test_customers_take_turns_at_the_products_of_one_place() -> None:
    async with Town() as town, at(town) as system:
        plain = system.adapter

        async def two_products(**_: object) -> Slot:
            return Slot("room-1", 1, Money(100), aliases=("double", "single-use"))

        def book(who: object, slot: Slot, *, key: str | None = None) -> Action:
            sent = HttpRequest("POST", f"/book/{slot.product}", {}, b"{}")
            return Action("book", "x", sent, read, {"slot": slot.product})

        async def state(**_: object) -> DurableState:
            return DurableState(bookings=(BookingRow("b1", "single-use", "ana", "confirmed"),))

        plain.open_slot = two_products  # type: ignore[method-assign,assignment]
        plain.book = book  # type: ignore[attr-defined]
        plain.state = state  # type: ignore[attr-defined]
        plain.capabilities = plain.capabilities | {"durable state"}
        slot = await system.open_slot()
        ana, ben = await system.customers(2)
        for one in (ana, ben, ana):
            await system.do(one.books(slot))
        found = await system.state(slots=[slot])
    assert [call.path for call in town.calls] == ["/book/double", "/book/single-use", "/book/double"]
    # Histories and durable state use the id of the place itself, so that oracles see one slot.
    assert {op.args["slot"] for op in system.history} == {"room-1"}
    assert found.bookings[0].slot == "room-1"


async def test_a_slot_without_products_is_booked_by_its_id() -> None:
    assert Slot("s1", 1, Money(1)).product == "s1"


async def test_a_header_may_be_sent_and_received_several_times() -> None:
    async def twice(call: Call) -> Reply:
        return page(200, {}, "Link: <a>", "Link: <b>", "Set-Cookie: a=1", "Set-Cookie: b=2; Path=/x")

    async with Town() as town, at(town) as system:
        town.reply = twice
        request = HttpRequest("GET", "/", [("X-Tag", "1"), ("X-Tag", "2")])
        response = await system.client(request)
    assert isinstance(response, HttpResponse)
    assert response.headers["link"] == "<a>, <b>"
    assert response.all("Set-Cookie") == ["a=1", "b=2; Path=/x"]
    assert request.header_list == [("X-Tag", "1"), ("X-Tag", "2")]


def test_an_answer_that_the_adapter_makes_early_ends_the_action() -> None:
    action = Action(
        "book",
        "ana",
        HttpRequest("GET", "/"),
        lambda _: Answer(Outcome.OK),
        then=[lambda _: Answer(Outcome.REFUSED, 200, problem="sold out")],
    )
    exchanges = action.exchanges()
    next(exchanges)
    with pytest.raises(StopIteration) as end:
        exchanges.send(HttpResponse(200))
    assert end.value.value.problem == "sold out"
