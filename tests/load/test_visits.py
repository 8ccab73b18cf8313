"""Visits, driven by the tests: an action, an answer, the next action."""

from __future__ import annotations

from overbooked.load.profile import profiles
from overbooked.load.user_actions import NEEDS, VISITS, Visit, book, book_and_cancel, buy
from overbooked.targets.adapter import Account, Action, Answer, Money, Outcome, Slot
from tests.targets.town import TownHall

ANA, SLOT = Account("Ana", "ana@example.com"), Slot("s1", 5, Money(100))
OK, NO = Answer(Outcome.OK, 201, {"booking": "b1"}), Answer(Outcome.REFUSED, 409)


def driven(visit: Visit, *answers: Answer) -> list[str]:
    """The paths asked for, until the visit ends."""
    paths = []
    action: Action | None = next(visit)
    for answer in answers:
        assert action is not None
        paths.append(f"{action.request.method} {action.request.path}")
        try:
            action = visit.send(answer)
        except StopIteration:
            action = None
    assert action is None
    return paths


def test_booking_is_one_request_with_the_arrivals_key():
    assert next(book(TownHall(), ANA, SLOT, "k")).request.headers == {"X-Key": "k"}
    assert driven(book(TownHall(), ANA, SLOT, "k"), OK) == ["POST /book/s1"]


def test_who_booked_gives_the_booking_back():
    assert driven(book_and_cancel(TownHall(), ANA, SLOT, "k"), OK, OK) == ["POST /book/s1", "DELETE /b/b1"]
    assert driven(book_and_cancel(TownHall(), ANA, SLOT, "k"), NO) == ["POST /book/s1"]


def test_buying_walks_through_checkout_as_far_as_it_goes():
    assert driven(buy(TownHall(), ANA, SLOT, "k"), OK, OK) == ["POST /book/s1", "POST /pay"]
    assert driven(buy(TownHall(), ANA, SLOT, "k"), NO) == ["POST /book/s1"]


def test_every_visit_says_what_it_needs():
    assert set(NEEDS) == set(VISITS)
    assert profiles()
