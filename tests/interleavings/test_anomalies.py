"""Names of the anomalies that an exploration finds."""

from __future__ import annotations

from dataclasses import replace

from overbooked.interleavings.anomalies import Anomaly, Phenomenon, name_anomaly, phenomenon_of
from overbooked.interleavings.footprints.resources import NOTHING, Footprint
from overbooked.traces.trace import TraceStep


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


def test_one_after_the_other_needs_no_race() -> None:
    assert (
        named(
            (step(0, "SELECT"), reads("slots")),
            (step(0, "INSERT"), writes("bookings", "slots")),
            (step(1, "SELECT"), reads("slots")),
            (step(1, "INSERT"), writes("bookings", "slots")),
        )
        is Anomaly.NO_RACE
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


# -- the classes of the literature ----------------------------------------------------------------

ITEMS = {"SELECT": reads("table:t"), "UPDATE": Footprint(frozenset({"table:t"}), frozenset({"table:t"}))}
ITEMS["INSERT"] = ITEMS["DELETE"] = ITEMS["UPDATE"]


def played(*taken: tuple[int, str], errors: dict[int, str] | None = None) -> list[TraceStep]:
    """Return the steps of transactions, one connection per actor: (actor, SQL)."""
    steps = []
    for at, (actor, text) in enumerate(taken):
        verb, error = text.split()[0], (errors or {}).get(at, "")
        over = verb in {"COMMIT", "ROLLBACK"}
        one = TraceStep(actor, "link", "postgres", actor + 1, verb, text, text, rows=1, error=error)
        steps.append(replace(one, in_transaction=not over))
    return steps


def classed(steps: list[TraceStep]) -> tuple[Anomaly, Phenomenon | None]:
    touched = [ITEMS.get(one.verb, NOTHING) for one in steps]
    return name_anomaly(steps, touched), phenomenon_of(steps, touched)


READ_1, READ_2 = "SELECT v FROM t WHERE id = 1", "SELECT v FROM t WHERE id = 2"
READ_BOTH = "SELECT v FROM t WHERE id IN (1, 2)"
SET_1, SET_2 = "UPDATE t SET v = 11 WHERE id = 1", "UPDATE t SET v = 21 WHERE id = 2"
SOME, ADDS = "SELECT v FROM t WHERE v % 3 = 0", "INSERT INTO t VALUES (3, 30)"
COMMIT = "COMMIT"


def test_a_row_read_and_then_written_by_both_is_a_lost_update() -> None:
    steps = played((0, READ_1), (1, READ_1), (0, SET_1), (0, COMMIT), (1, SET_1), (1, COMMIT))
    assert classed(steps) == (Anomaly.LOST_UPDATE, Phenomenon.P4)


def test_two_rows_read_by_both_and_one_written_by_each_is_write_skew() -> None:
    steps = played((0, READ_BOTH), (1, READ_BOTH), (0, SET_1), (1, SET_2), (0, COMMIT), (1, COMMIT))
    assert classed(steps) == (Anomaly.WRITE_SKEW, Phenomenon.G2_ITEM)


def test_two_rows_read_before_and_after_a_commit_is_read_skew() -> None:
    steps = played((0, READ_1), (1, SET_1), (1, SET_2), (1, COMMIT), (0, READ_2), (0, COMMIT))
    assert classed(steps) == (Anomaly.READ_SKEW, Phenomenon.G_SINGLE)


def test_a_predicate_read_before_and_after_a_commit_is_predicate_many_preceders() -> None:
    steps = played((0, SOME), (1, ADDS), (1, COMMIT), (0, SOME), (0, COMMIT))
    assert classed(steps) == (Anomaly.PREDICATE_MANY_PRECEDERS, Phenomenon.PMP)


def test_a_predicate_read_by_both_who_then_insert_is_a_double_claim() -> None:
    steps = played((0, SOME), (1, SOME), (0, ADDS), (1, ADDS), (0, COMMIT), (1, COMMIT))
    assert classed(steps) == (Anomaly.DOUBLE_CLAIM, Phenomenon.G2)


def test_an_insert_reads_nothing_that_makes_it_another_class() -> None:
    steps = played((0, SOME), (1, SOME), (0, ADDS), (0, COMMIT), (1, ADDS), (1, COMMIT))
    assert classed(steps) == (Anomaly.DOUBLE_CLAIM, Phenomenon.G2)


def test_what_was_rolled_back_claims_nothing_and_its_deadlock_is_named() -> None:
    taken = ((0, SET_1), (1, SET_2), (0, SET_2), (1, SET_1), (1, "ROLLBACK"), (0, COMMIT))
    assert classed(played(*taken, errors={3: "40P01"}))[0] is Anomaly.DEADLOCK


def test_a_time_limit_is_named() -> None:
    taken = ((0, SET_1), (1, SET_1), (1, "ROLLBACK"), (0, COMMIT))
    assert classed(played(*taken, errors={1: "55P03"}))[0] is Anomaly.TIMEOUT


def test_a_single_statement_that_checks_and_inserts_is_a_double_claim() -> None:
    claims = "INSERT INTO t SELECT 1 WHERE NOT EXISTS (SELECT FROM t)"
    steps = played((0, claims), (1, claims), (0, COMMIT), (1, COMMIT))
    assert classed(steps)[0] is Anomaly.DOUBLE_CLAIM
