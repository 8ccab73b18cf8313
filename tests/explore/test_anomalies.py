"""What an exploration calls what it found."""

from __future__ import annotations

from dataclasses import replace

from harness.explore.anomalies import Anomaly, name_anomaly
from harness.explore.resources import NOTHING, Footprint
from harness.explore.trace import TraceStep


def step(actor: int, verb: str, *, rows: int = 1, error: str = "", protocol: str = "postgres") -> TraceStep:
    return TraceStep(actor, "link", protocol, 1, verb, verb, verb, rows=rows, error=error)


def reads(*names: str) -> Footprint:
    return Footprint(reads=frozenset(names))


def writes(*names: str) -> Footprint:
    return Footprint(writes=frozenset(names))


def named(*taken: tuple[TraceStep, Footprint]) -> Anomaly:
    return name_anomaly([one for one, _ in taken], [touched for _, touched in taken])


def test_two_who_both_passed_the_check_and_insert_claim_twice() -> None:
    assert (
        named(
            (step(0, "SELECT"), reads("slots")),
            (step(1, "SELECT"), reads("slots")),
            (step(0, "INSERT"), writes("bookings", "slots")),
            (step(1, "INSERT"), writes("bookings", "slots")),
        )
        is Anomaly.DOUBLE_CLAIM
    )


def test_what_is_not_committed_is_not_seen() -> None:
    def within(actor: int, verb: str) -> TraceStep:
        return replace(step(actor, verb), connection=actor + 1, in_transaction=True)

    assert (
        named(
            (within(1, "SELECT"), reads("slots")),
            (within(1, "INSERT"), writes("bookings", "slots")),
            (within(0, "SELECT"), reads("slots")),
            (replace(step(1, "COMMIT"), connection=2), NOTHING),
            (within(0, "INSERT"), writes("bookings", "slots")),
            (replace(step(0, "COMMIT"), connection=1), NOTHING),
        )
        is Anomaly.DOUBLE_CLAIM
    )


def test_one_after_the_other_is_no_anomaly_with_a_name() -> None:
    assert (
        named(
            (step(0, "SELECT"), reads("slots")),
            (step(0, "INSERT"), writes("bookings", "slots")),
            (step(1, "SELECT"), reads("slots")),
            (step(1, "INSERT"), writes("bookings", "slots")),
        )
        is Anomaly.RACE
    )


def test_what_is_written_from_an_old_reading_is_a_lost_update() -> None:
    assert (
        named(
            (step(0, "SELECT"), reads("slots")),
            (step(1, "UPDATE"), writes("slots")),
            (step(0, "UPDATE"), writes("slots")),
        )
        is Anomaly.LOST_UPDATE
    )


def test_each_writing_what_the_other_has_read_is_write_skew() -> None:
    assert (
        named(
            (step(0, "SELECT"), reads("a", "b")),
            (step(1, "SELECT"), reads("a", "b")),
            (step(0, "UPDATE"), writes("a")),
            (step(1, "UPDATE"), writes("b")),
            (step(0, "UPDATE"), writes("c")),
        )
        is Anomaly.WRITE_SKEW
    )


def test_an_effect_outside_by_who_rolled_back_is_dirty() -> None:
    assert (
        named(
            (step(0, "POST", protocol="http"), writes("http:provider")),
            (step(0, "ROLLBACK"), NOTHING),
        )
        is Anomaly.DIRTY_EFFECT
    )


def test_an_effect_of_who_committed_after_all_is_not_dirty() -> None:
    assert (
        named(
            (step(0, "POST", protocol="http"), writes("http:provider")),
            (step(0, "ROLLBACK"), NOTHING),
            (step(0, "COMMIT"), NOTHING),
        )
        is Anomaly.RACE
    )


def test_what_failed_did_nothing() -> None:
    assert (
        named(
            (step(0, "SELECT"), reads("slots")),
            (step(1, "UPDATE", error="23514"), writes("slots")),
            (step(0, "UPDATE"), writes("slots")),
        )
        is Anomaly.RACE
    )


def test_an_insert_that_found_nothing_to_insert_claims_nothing() -> None:
    assert (
        named(
            (step(0, "SELECT"), reads("slots")),
            (step(1, "INSERT", rows=0), writes("slots")),
            (step(0, "INSERT"), writes("bookings")),
        )
        is Anomaly.RACE
    )
