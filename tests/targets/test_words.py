"""The kept part of answers, and reading those of the reference system."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from overbooked.system.customer import booking_in
from overbooked.targets.adapter import Account, Answer, HttpResponse, Money, Outcome
from overbooked.targets.answer_summary import json_facts, result, why
from overbooked.targets.client import Client, ClientTimeouts
from reference_system.target.requests import action, reader, request


def test_a_history_keeps_the_booking_or_else_the_facts() -> None:
    assert result(Answer(Outcome.OK, 201, {"booking": "b1", "price": Money(1)})) == "b1"
    assert result(Answer(Outcome.OK, 200, {"price": Money(5, "JPY"), "hold": True})) == {
        "price": {"minor": 5, "currency": "JPY"},
        "hold": True,
    }
    assert result(Answer(Outcome.OK, 200)) is None


def test_facts_that_are_no_json_are_kept_as_text() -> None:
    facts = json_facts({"at": datetime(2030, 1, 2, tzinfo=UTC), "details": {"a": 1}})
    assert facts == {"at": "2030-01-02 00:00:00+00:00", "details": {"a": 1}}


def test_why_an_answer_was_not_ok_is_said_in_a_few_words() -> None:
    assert why(Answer(Outcome.OK, 200)) == ""
    assert why(Answer(Outcome.REFUSED, 409, problem="sold-out")) == "409 sold-out"
    assert why(Answer(Outcome.UNKNOWN, problem="receive: gone")) == "receive: gone"


def test_a_booking_is_named_by_its_id_or_by_the_answer_that_made_it() -> None:
    assert booking_in("b1") == "b1"
    assert booking_in(Answer(Outcome.OK, 201, {"booking": "b2"})) == "b2"
    with pytest.raises(ValueError, match="made no booking"):
        booking_in(Answer(Outcome.REFUSED, 409))


def test_a_client_without_a_url_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="at least one URL"):
        Client([], ClientTimeouts())


# -- the reference system's messages ------------------------------------------------------------


def response(status: int, document: Any = None) -> HttpResponse:
    return HttpResponse(status, {}, b"" if document is None else json.dumps(document).encode())


def test_a_success_is_read_by_its_facts() -> None:
    read = reader(lambda document: {"booking": document["id"]})
    assert read(response(201, {"id": "b1"})) == Answer(Outcome.OK, 201, {"booking": "b1"})
    assert reader(lambda _: {})(response(204)).ok


def test_a_refusal_is_read_by_its_problem() -> None:
    read = reader(dict)
    assert read(response(409, {"type": "sold-out"})) == Answer(Outcome.REFUSED, 409, problem="sold-out")
    expired = read(response(409, {"type": "price-lock-expired", "amount_minor": 7, "currency": "EUR"}))
    assert expired.facts == {"price": Money(7)}
    used = read(response(409, {"type": "price-lock-used", "checkout_id": "c1"}))
    assert used.facts == {"checkout": "c1"}
    assert read(response(404)).problem == "no problem document"


def test_that_the_first_request_still_runs_tells_nothing_yet() -> None:
    answer = reader(dict)(response(409, {"type": "in-progress"}))
    assert (answer.outcome, answer.status) == (Outcome.UNKNOWN, 409)


def test_a_request_says_who_asks_and_with_which_key() -> None:
    sent = request("POST", "/bookings", {"slot_id": "s"}, token="t", key="k")
    assert sent.headers["Authorization"] == "Bearer t"
    assert sent.headers["Idempotency-Key"] == "k"
    assert json.loads(sent.body) == {"slot_id": "s"}
    bare = request("GET", "/slots/1")
    assert set(bare.headers) == {"Accept"}
    assert bare.body == b""


def test_an_action_is_in_its_persons_lane() -> None:
    ana = Account("Ana Pérez", "a@b", nick="ana")
    assert action("book", ana, request("GET", "/")).who == "ana"
    assert action("book", Account("Ana Pérez", "a@b"), request("GET", "/")).who == "Ana Pérez"
    assert action("resize", "operator", request("GET", "/")).who == "operator"
