"""Effects compared with answers, and lost updates."""

from __future__ import annotations

import pytest

from overbooked.histories import lost_updates, miscounted
from tests.histories.writing import history, ok, refused, unknown


def pay(outcome, key: str = "k"):  # type: ignore[no-untyped-def]
    return outcome("ana", 1, 2, "pay", key=key)


@pytest.mark.parametrize(
    ("attempts", "effects", "wrong"),
    [
        ([ok], ["k"], False),
        ([ok], [], True),
        ([ok], ["k", "k"], True),
        ([refused], [], False),
        ([refused], ["k"], True),
        ([unknown], [], False),
        ([unknown], ["k"], False),
        ([unknown], ["k", "k"], True),
        ([unknown, ok], ["k"], False),
        ([unknown, ok], [], True),
        ([unknown, refused], ["k"], False),
        ([ok, ok], ["k"], False),
    ],
)
def test_an_effect_is_there_as_often_as_the_answers_say(attempts, effects, wrong):  # type: ignore[no-untyped-def]
    assert bool(miscounted(history(*map(pay, attempts)), effects)) is wrong


def test_a_miscount_names_its_attempts():
    attempts = [pay(unknown), pay(ok)]
    (found,) = miscounted(history(*attempts, pay(ok, "other")), ["k", "k", "other"])
    assert (found.key, found.found, found.at_least, found.at_most) == ("k", 2, 1, 1)
    assert found.attempts == tuple(attempts)


def test_an_effect_nobody_intended_is_reported():
    (found,) = miscounted(history(), ["stray"])
    assert (found.key, found.at_most, found.attempts) == ("stray", 0, ())


def test_operations_without_a_key_are_passed_over():
    assert miscounted(history(ok("ana", 1, 2, "pay")), []) == ()


def update(outcome, actor: str, version: int, **args: str):  # type: ignore[no-untyped-def]
    return outcome(actor, version, version + 5, "edit", subject="slot 1", based_on=version, **args)


def test_two_updates_from_one_version_lose_one():
    ana, ben = update(ok, "ana", 1), update(ok, "ben", 1)
    (found,) = lost_updates(history(ana, ben, update(ok, "eve", 2)))
    assert (found.subject, found.based_on, found.operations) == ("slot 1", 1, (ana, ben))


def test_updates_in_turn_lose_nothing():
    assert lost_updates(history(update(ok, "ana", 1), update(ok, "ben", 2))) == ()
    assert lost_updates(history(update(ok, "ana", 1), update(refused, "ben", 1))) == ()
    assert lost_updates(history(update(ok, "ana", 1), update(unknown, "ben", 1))) == ()


def test_an_update_answered_twice_is_one():
    assert lost_updates(history(update(ok, "ana", 1, key="k"), update(ok, "ana", 1, key="k"))) == ()


def test_other_operations_are_passed_over():
    assert lost_updates(history(ok("ana", 1, 2, "read"), ok("ben", 1, 2, "read"))) == ()
