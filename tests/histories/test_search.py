"""The search itself, on registers: time, ties, unknown outcomes, budgets."""

from __future__ import annotations

import pytest

from overbooked.histories import BadHistory, KeyValueModel, Linearizability, RegisterModel, check
from overbooked.histories import linearizability as search_module
from overbooked.histories.linearizability import LinearizabilitySearch
from tests.histories.writing import history, ok, op, refused, unknown

OK, ILLEGAL, UNKNOWN = Linearizability.OK, Linearizability.ILLEGAL, Linearizability.UNKNOWN


def registers(*operations):  # type: ignore[no-untyped-def]
    return check(RegisterModel(), history(*operations)).verdict


def test_nothing_at_all_is_linearizable():
    assert registers() is OK


def test_a_read_sees_the_write_before_it():
    assert registers(ok("a", 0, 1, "write", value=1), ok("b", 2, 3, "read", 1)) is OK
    assert registers(ok("a", 0, 1, "write", value=1), ok("b", 2, 3, "read", None)) is ILLEGAL


def test_a_read_at_the_same_time_sees_either():
    for seen in (None, 1):
        assert registers(ok("a", 0, 5, "write", value=1), ok("b", 2, 3, "read", seen)) is OK


def test_two_reads_at_the_same_time_as_a_write_do_not_go_back():
    write = ok("a", 0, 9, "write", value=1)
    assert registers(write, ok("b", 1, 2, "read", None), ok("b", 3, 4, "read", 1)) is OK
    assert registers(write, ok("b", 1, 2, "read", 1), ok("b", 3, 4, "read", None)) is ILLEGAL


def test_equal_moments_are_no_order():
    # With open intervals the read would have to return the write that ended at its start.
    assert registers(ok("a", 0, 5, "write", value=1), ok("b", 5, 9, "read", None)) is OK
    assert registers(ok("a", 0, 5, "write", value=1), ok("b", 5, 9, "read", 1)) is OK
    assert registers(ok("a", 5, 5, "write", value=1), ok("b", 5, 5, "read", None)) is OK


def test_an_unknown_write_may_take_effect_late_or_never():
    lost = unknown("a", 0, 1, "write", value=1)
    assert registers(lost, ok("b", 2, 3, "read", None), ok("b", 8, 9, "read", 1)) is OK
    assert registers(lost, ok("b", 2, 3, "read", None), ok("b", 8, 9, "read", None)) is OK
    assert registers(lost, ok("b", 2, 3, "read", 1), ok("b", 8, 9, "read", None)) is ILLEGAL


def test_an_unknown_write_takes_effect_once():
    lost, other = unknown("a", 0, None, "write", value=1), ok("b", 4, 5, "write", value=2)
    one, two = ok("b", 2, 3, "read", 1), ok("b", 6, 7, "read", 1)
    assert registers(lost, other, two) is OK
    assert registers(lost, one, other, two) is ILLEGAL


def test_an_unknown_read_says_nothing():
    assert registers(unknown("a", 0, 1, "read", 7), ok("a", 2, 3, "read", None)) is OK


def test_compare_and_set_is_refused_for_a_reason():
    write = ok("a", 0, 1, "write", value=1)
    assert registers(write, ok("b", 2, 3, "cas", old=1, new=2), ok("c", 4, 5, "read", 2)) is OK
    assert registers(write, ok("b", 2, 3, "cas", old=2, new=3)) is ILLEGAL
    assert registers(write, refused("b", 2, 3, "cas", old=2, new=3)) is OK
    assert registers(write, refused("b", 2, 3, "cas", old=1, new=3)) is ILLEGAL


def test_refused_reads_and_writes_say_nothing():
    assert registers(refused("a", 0, 1, "write", value=1), ok("a", 2, 3, "read", None)) is OK


def test_keys_are_judged_apart():
    good, bad = ok("a", 0, 1, "write", key="x", value=1), ok("b", 2, 3, "read", 1, key="y")
    checked = check(RegisterModel(), history(good, bad))
    assert checked.illegal
    assert checked.partitions == 2
    assert checked.counterexample is not None
    assert checked.counterexample.partition == "y"


@pytest.mark.parametrize("model", [RegisterModel(), KeyValueModel()])
def test_a_verb_nobody_knows_is_a_bad_history(model: RegisterModel | KeyValueModel):
    with pytest.raises(BadHistory, match="found: a: steal"):
        check(model, history(ok("a", 0, 1, "steal")))


def test_puts_replace_and_appends_add():
    put, append = ok("a", 0, 1, "put", key="k", value="x"), ok("a", 2, 3, "append", key="k", value="y")
    good = [put, append, ok("b", 4, 5, "get", "xy", key="k")]
    assert check(KeyValueModel(), history(*good)).ok
    assert check(KeyValueModel(), history(put, append, ok("b", 4, 5, "get", "y", key="k"))).illegal


def hard(keys: int = 1):  # type: ignore[no-untyped-def]
    """Return concurrent writes and a read that matches none of them, so that every subset is tried."""
    operations = []
    for key in range(keys):
        operations += [ok(f"a{n}", 0, 100, "write", key=f"hard{key}", value=n) for n in range(16)]
        operations += [ok("r", 0, 100, "read", 99, key=f"hard{key}")]
    return operations


def test_out_of_steps_is_unknown_and_says_what_is_undecided():
    checked = check(RegisterModel(), history(*hard()), max_steps=1000)
    assert checked.verdict is UNKNOWN
    assert checked.undecided == ("hard0",)
    assert 1000 <= checked.steps < 20_000
    assert not checked.ok
    assert not checked.illegal


def test_out_of_time_is_unknown():
    ticks = iter(range(1000))
    checked = check(RegisterModel(), history(*hard()), deadline_s=2.5, clock=lambda: float(next(ticks)))
    assert checked.verdict is UNKNOWN
    assert checked.elapsed_s > 2.5


def test_a_hard_key_hides_no_easy_violation():
    easy = [op("a", 0, 1, "write", key="easy", value=1), ok("b", 2, 3, "read", 2, key="easy")]
    # Larger than a hard one, so that it is not first by size alone.
    padding = [ok("c", n, n + 0.5, "read", 2, key="easy") for n in range(4, 40)]
    checked = check(RegisterModel(), history(*hard(3), *easy, *padding), max_steps=100_000)
    assert checked.illegal
    assert checked.counterexample is not None
    assert checked.counterexample.partition == "easy"
    assert set(checked.undecided) == {"hard0", "hard1", "hard2"}


def test_a_search_goes_on_where_it_stopped():
    (partition,) = RegisterModel().prepare(history(*hard()[:9], hard()[-1]))
    at_once, in_turns = (
        LinearizabilitySearch(RegisterModel(), partition),
        LinearizabilitySearch(RegisterModel(), partition),
    )
    assert at_once.run(10**6) is ILLEGAL
    while in_turns.run(7) is None:
        pass
    assert in_turns.verdict is ILLEGAL
    assert in_turns.steps == at_once.steps


def test_the_order_found_is_a_linearization():
    operations = [
        ok("a", 0, 9, "write", value=1),
        ok("b", 0, 9, "write", value=2),
        ok("c", 1, 2, "read", 2),
        ok("c", 3, 4, "read", 1),
    ]
    (partition,) = RegisterModel().prepare(history(*operations))
    search = LinearizabilitySearch(RegisterModel(), partition)
    assert search.run(10**6) is OK
    assert [op.args.get("value", op.result) for op in search.order()] == [2, 2, 1, 1]


def test_of_many_unknown_equals_few_orders_are_tried():
    lost = [unknown(f"a{n}", 0, None, "write", value=1) for n in range(40)]
    reads = [ok("r", 2 * n + 1, 2 * n + 2, "read", 1 + n % 2) for n in range(20)]
    others = [ok("w", 2 * n + 0.5, 2 * n + 1.5, "write", value=2) for n in range(20)]
    checked = check(RegisterModel(), history(*lost, *reads, *others), max_steps=200_000, shrink_s=0)
    assert checked.verdict is OK


def test_a_search_that_starts_over_keeps_what_it_knows_and_comes_to_its_end(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(search_module, "STEPS_PER_OPERATION", 1)
    monkeypatch.setattr(search_module, "SHORTEST_ATTEMPT_STEPS", 50)
    (partition,) = RegisterModel().prepare(history(*hard()[:9], hard()[-1]))
    search = LinearizabilitySearch(RegisterModel(), partition)
    assert search.run(10**6) is ILLEGAL
    late = [ok("r", 200, 201, "read", 3, key="hard0")]
    (partition,) = RegisterModel().prepare(history(*hard()[:9], *late))
    search = LinearizabilitySearch(RegisterModel(), partition)
    assert search.run(10**6) is OK
    assert search.order()[-2].args["value"] == 3
