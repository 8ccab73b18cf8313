from __future__ import annotations

import pytest

from overbooked.errors import GapFound
from overbooked.oracles.answers import (
    accepted,
    describe,
    no_refusal_while_free,
    one_outcome,
    others_refused,
    refused_with,
    same_answer,
)
from overbooked.targets.adapter import Answer, Money, Outcome
from tests.oracles.books import ok, refused, unknown


def test_losers_who_are_told_are_no_gap() -> None:
    others_refused([ok(), refused(), refused()])
    others_refused([])


@pytest.mark.parametrize("other", [refused(400), refused(401), unknown(500), unknown()])
def test_a_loser_who_gets_anything_else_is_a_gap(other: Answer) -> None:
    with pytest.raises(GapFound, match="a rejected request is not refused clearly") as found:
        others_refused([ok(), refused(), other])
    assert found.value.expected == "every request that did not succeed refused with 409"
    assert len(found.value.operations) == 1


def test_refusals_are_recognised_by_their_status() -> None:
    refused_with(refused(401), 401)
    refused_with(refused(404), 403, 404)
    with pytest.raises(GapFound, match="401 or 403"):
        refused_with(refused(409), 401, 403)
    with pytest.raises(GapFound):
        refused_with(ok(), 401)
    with pytest.raises(GapFound):
        refused_with(unknown(503), 503)


def test_what_must_succeed_is_a_gap_when_it_does_not() -> None:
    accepted(ok())
    with pytest.raises(GapFound, match="she must find her booking"):
        accepted(refused(404), "she must find her booking")


def test_a_free_place_is_given_to_somebody() -> None:
    no_refusal_while_free([ok(), refused()], 1)
    no_refusal_while_free([ok("b1"), ok("b2")], 5)
    no_refusal_while_free([unknown(), refused()], 1)
    with pytest.raises(GapFound, match="while a place was free"):
        no_refusal_while_free([refused(), refused()], 1)
    with pytest.raises(GapFound):
        no_refusal_while_free([ok(), refused(), refused()], 2)


def test_a_repeat_is_compared_in_everything_but_its_latency() -> None:
    first = ok(price=Money(2500))
    same_answer(first, Answer(Outcome.OK, 201, {"booking": "b1", "price": Money(2500)}, latency_s=9))
    for other in (ok("b2", price=Money(2500)), ok(price=Money(2600)), ok(), refused(), unknown()):
        with pytest.raises(GapFound, match="got a different answer"):
            same_answer(first, other)


def test_repeats_may_stay_unanswered_but_not_disagree() -> None:
    assert one_outcome([unknown(), ok(), unknown(503), ok()]) == ok()
    assert one_outcome([unknown(), unknown()]) is None
    with pytest.raises(GapFound):
        one_outcome([unknown(), refused(402, "card-declined"), ok()])


def test_an_answer_is_told_in_one_line() -> None:
    assert describe(ok(price=Money(5, "JPY"))) == "ok 201 booking=b1 price={'minor': 5, 'currency': 'JPY'}"
    assert describe(unknown()) == "unknown no answer receive: ReadTimeout"
