"""Published histories with known verdicts: the checker agrees with each."""

from __future__ import annotations

import json

import pytest

from overbooked.histories import KeyValueModel, Linearizability, RegisterModel, check
from tests.histories.recorded import DATA, etcd, key_value

EXPECTED: dict[str, bool] = json.loads((DATA / "etcd/expected.json").read_text())


def verdict(linearizable: bool) -> Linearizability:
    return Linearizability.OK if linearizable else Linearizability.ILLEGAL


def test_every_recorded_history_has_a_verdict():
    assert {path.name for path in (DATA / "etcd").glob("*.log")} == set(EXPECTED)


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_a_register_recorded_against_etcd(name: str):
    checked = check(RegisterModel(), etcd(DATA / "etcd" / name), shrink_s=0)
    assert checked.verdict is verdict(EXPECTED[name])


@pytest.mark.parametrize(("name", "linearizable"), [("kv-c10-ok.txt", True), ("kv-c10-bad.txt", False)])
def test_a_key_value_store_with_ten_clients(name: str, linearizable: bool):
    history = key_value(DATA / name)
    checked = check(KeyValueModel(), history)
    assert checked.verdict is verdict(linearizable)
    assert checked.operations == len(history) > 300
    assert checked.partitions == len({op.args["key"] for op in history})


def test_the_violation_in_the_bad_one_is_a_read_that_missed_what_was_written_before():
    checked = check(KeyValueModel(), key_value(DATA / "kv-c10-bad.txt"))
    found = checked.counterexample
    assert found is not None
    append, get = found.operations
    assert (append.verb, get.verb) == ("append", "get")
    assert append.completed_at is not None
    assert append.completed_at < get.invoked_at
    assert append.args["value"] not in get.result
