"""Fault points: enumeration, possible faults at each, and sampling."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from overbooked.fault_points.points import (
    Crossing,
    FaultPlan,
    error_code,
    points_of,
    preferred,
    spread,
    takes_effect,
    why_not,
)
from overbooked.wire.gate.boundary import Boundary, FaultKind, Reply, WireProtocol


def crossed(verb: str, link: str = "app->postgres", *, step: str = "", bytes_: int = 9) -> Crossing:
    protocol = WireProtocol.HTTP if "payments" in link else WireProtocol.POSTGRES
    return Crossing(Boundary(link, protocol, 1, 1, verb, verb, verb), step, Reply("OK", size_bytes=bytes_))


def test_points_are_numbered_in_order_and_by_how_often_they_came_before() -> None:
    points = points_of("checkout", [crossed("BEGIN"), crossed("SELECT"), crossed("BEGIN"), crossed("COMMIT")])
    assert [(p.ordinal, p.shape, p.nth) for p in points] == [
        (1, "BEGIN", 1),
        (2, "SELECT", 1),
        (3, "BEGIN", 2),
        (4, "COMMIT", 1),
    ]


def test_the_same_statement_on_another_link_is_another_point() -> None:
    one, other = points_of("checkout", [crossed("POST", "app->payments"), crossed("POST", "payments->app")])
    assert (one.nth, other.nth) == (1, 1)
    assert one.fingerprint != other.fingerprint


def test_a_point_knows_its_step() -> None:
    (point,) = points_of("checkout", [crossed("COMMIT", step="pay")])
    assert (point.step, point.place) == ("pay", "app->postgres COMMIT")


@pytest.mark.parametrize("kind", [FaultKind.KILL_BEFORE, FaultKind.KILL_AFTER])
def test_a_service_that_is_no_process_of_ours_is_not_killed(kind: FaultKind) -> None:
    assert "not a process" in why_not(crossed("COMMIT"), kind, killable=False)
    assert why_not(crossed("COMMIT"), kind, killable=True) == ""


def test_a_rollback_is_not_refused() -> None:
    assert "rollback" in why_not(crossed("ROLLBACK"), FaultKind.ERROR, killable=True)
    assert why_not(crossed("ROLLBACK"), FaultKind.ANSWER_LOST, killable=True) == ""


def test_an_answer_of_one_byte_does_not_trickle() -> None:
    assert "too short" in why_not(crossed("GET", bytes_=1), FaultKind.TRICKLE, killable=True)
    assert why_not(crossed("GET", bytes_=2), FaultKind.TRICKLE, killable=True) == ""


@pytest.mark.parametrize(
    ("protocol", "verb", "in_transaction", "lasts"),
    [
        (WireProtocol.POSTGRES, "COMMIT", True, True),
        (WireProtocol.POSTGRES, "INSERT", True, False),
        (WireProtocol.POSTGRES, "INSERT", False, True),
        (WireProtocol.POSTGRES, "SELECT", False, False),
        (WireProtocol.HTTP, "POST", False, True),
        (WireProtocol.HTTP, "GET", False, False),
        (WireProtocol.REDIS, "SET", False, True),
        (WireProtocol.REDIS, "GET", False, False),
    ],
)
def test_what_outlasts_the_service(
    protocol: WireProtocol, verb: str, in_transaction: bool, lasts: bool
) -> None:
    assert (
        takes_effect(Boundary("l", protocol, 1, 1, verb, verb, verb, in_transaction=in_transaction)) is lasts
    )


def test_each_server_fails_in_its_own_words() -> None:
    assert error_code(crossed("SELECT").boundary) == "58030"
    assert error_code(crossed("POST", "app->payments").boundary) == "503"


def test_a_sample_is_spread_and_as_large_as_asked() -> None:
    drawn = spread(range(100), 4, random.Random(1))
    assert [n // 25 for n in drawn] == [0, 1, 2, 3]


@pytest.mark.parametrize(("k", "wanted"), [(None, 5), (9, 5), (0, 0)])
def test_a_sample_never_repeats_a_point(k: int | None, wanted: int) -> None:
    assert len(spread(range(5), k, random.Random(1))) == wanted


def test_a_plan_says_what_it_does() -> None:
    first, then = points_of("checkout", [crossed("COMMIT"), crossed("POST", "app->payments")])
    plan = FaultPlan("checkout", first, FaultKind.ERROR, "58030", then, FaultKind.RESET_BEFORE)
    assert str(plan) == (
        "error at 1 (app->postgres COMMIT), then reset before at 2 (app->payments POST) of its recovery"
    )


def test_an_error_right_after_an_effect_is_also_one_at_the_first_statement_of_the_next_transaction() -> None:
    crossings = [
        crossed(verb) for verb in ("COMMIT", "BEGIN", "UPDATE", "SELECT", "COMMIT", "BEGIN", "INSERT")
    ]
    # Within a transaction a statement has no lasting effect of its own.
    crossings = [
        replace(one, boundary=replace(one.boundary, in_transaction=one.boundary.verb in ("UPDATE", "INSERT")))
        for one in crossings
    ]
    plans = [FaultPlan("checkout", p, FaultKind.ERROR, "") for p in points_of("checkout", crossings)]
    assert [plan.point.ordinal for plan in preferred(plans, crossings)] == [2, 3, 6, 7]
