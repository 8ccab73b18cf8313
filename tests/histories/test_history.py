"""Operations and their recorder keep what clients observed, and refuse impossible records."""

from __future__ import annotations

import json

import pytest

from overbooked.histories import BadHistory, History, Operation, Recorder
from overbooked.targets.adapter import Outcome
from tests.histories.writing import ok, refused, unknown


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 1
        return self.now


def test_an_operation_is_recorded_from_its_call_to_its_end():
    recorder = Recorder(Clock())
    call = recorder.invoke("ana", "book", {"slot": "A"})
    assert call.ok("b1") == Operation("ana", "book", {"slot": "A"}, 1, 2, Outcome.OK, "b1")
    assert recorder.history().operations == (call.operation(),)


def test_refused_and_unknown_keep_their_reason():
    recorder = Recorder(Clock())
    no = recorder.invoke("ana", "book", {"slot": "A"}).refused("sold-out")
    lost = recorder.invoke("ben", "book", {"slot": "A"}).unknown("timed out")
    assert (no.outcome, no.problem) == (Outcome.REFUSED, "sold-out")
    assert (lost.outcome, lost.problem, lost.completed_at) == (Outcome.UNKNOWN, "timed out", 4)
    assert no.refused
    assert lost.unknown
    assert not no.ok


def test_what_is_pending_is_unknown():
    recorder = Recorder(Clock())
    recorder.invoke("ana", "book", {"slot": "A"})
    (pending,) = recorder.history()
    assert pending.unknown
    assert pending.completed_at is None


def test_a_call_ends_once():
    call = Recorder(Clock()).invoke("ana", "book")
    call.ok()
    with pytest.raises(BadHistory, match="ended twice"):
        call.refused()


def test_a_history_is_in_order_of_invocation_whoever_timed_it():
    recorder = Recorder(Clock())
    late = recorder.invoke("ana", "read").ok(1)
    early = ok("ben", 0.5, 9, "read", 1)
    recorder.add(early)
    assert recorder.history().operations == (early, late)
    assert len(recorder.history()) == 2
    assert list(recorder.history().only("write")) == []


def test_arguments_changed_afterwards_do_not_change_the_record():
    args = {"slot": "A"}
    recorder = Recorder(Clock())
    recorder.invoke("ana", "book", args).ok("b1")
    args["slot"] = "B"
    assert recorder.history().operations[0].args == {"slot": "A"}


def test_time_does_not_run_backwards():
    with pytest.raises(BadHistory, match="before it was invoked"):
        ok("ana", 2, 1, "read")


def test_an_answer_has_a_moment():
    with pytest.raises(BadHistory, match="never completed"):
        Operation("ana", "read", {}, 1, None, Outcome.OK)


def test_the_json_form_reads_back():
    history = History.of(
        [
            ok("ana", 1, 2, "book", "b1", slot="A"),
            refused("ben", 1, 3, "book", slot="A"),
            unknown("eve", 2, None, "x"),
        ]
    )
    assert History.from_dict(json.loads(json.dumps(history.as_dict()))) == history


@pytest.mark.parametrize(
    "broken",
    [
        {"format": 2, "operations": []},
        {"operations": []},
        {"format": 1, "operations": [{"actor": "ana"}]},
        {"format": 1, "operations": [{**ok("ana", 1, 2, "read").as_dict(), "outcome": "perhaps"}]},
    ],
)
def test_what_is_no_history_is_refused(broken: dict[str, object]):
    with pytest.raises(BadHistory):
        History.from_dict(broken)


def test_an_operation_reads_as_a_line():
    assert str(ok("ana", 1, 2, "book", "b1", slot="A")) == "ana: book slot=A -> ok b1"
    assert (
        str(Operation("ben", "book", {}, 1, 2, Outcome.REFUSED, problem="409"))
        == "ben: book  -> refused (409)"
    )
