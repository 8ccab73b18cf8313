"""Bundles: contents, size limits, and invalid documents."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

import pytest

from overbooked.bundles.reader import BadBundle, parse_bundle, read_bundle
from overbooked.bundles.schema import (
    Bundle,
    ExpectedFinding,
    Fingerprints,
    Origin,
)
from overbooked.fault_points.evidence import plan_of, recorded_plan
from overbooked.fault_points.points import FaultPlan, FaultPoint
from overbooked.recording import FaultName, Recording
from overbooked.traces.recorded import recorded_schedule
from overbooked.wire.gate.boundary import FaultKind
from tests.traces.sample_traces import BLOCKED, LOST_CHECK, step, trace

POINT = FaultPoint("checkout", 7, "app->postgres", "COMMIT", 2, "COMMIT", "pay")
PLAN = FaultPlan("checkout", POINT, FaultKind.ANSWER_LOST, "", POINT, FaultKind.ERROR)


def bundle(recording: Recording | None = None, **more: Any) -> Bundle:
    return Bundle(
        **{
            "clause": "SYS-03.a",
            "scenario": "scenarios/test_races.py::test_it[2]",
            "command": "overbooked replay x.json",
            "made": Origin(
                run="3f9c",
                at=datetime(2026, 1, 2, tzinfo=UTC),
                seed=1,
                scenario_seed=2**63 + 1,
                profile="quick",
                mutant="SYS-03.1",
                stack="embedded",
                replicas=2,
                versions={"PostgreSQL": "18.6"},
            ),
            "fits": Fingerprints(target="reference", scenario="ab", catalog="cd", migrations="ef"),
            "expected": ExpectedFinding(
                what="sold twice", expected="1", observed="2", operations=("ok 201",)
            ),
            "recording": recording or recorded_schedule("book and book", LOST_CHECK, anomaly="double claim"),
            **more,
        }
    )


def changed(change: Callable[[dict[str, Any]], object]) -> str:
    data = json.loads(bundle().dumped())
    change(data)
    return json.dumps(data)


@pytest.mark.parametrize("drawn", [LOST_CHECK, BLOCKED, trace(answers=("", ""))])
def test_a_trace_comes_back_as_it_was(drawn: Any) -> None:
    read = parse_bundle(bundle(recorded_schedule("r", drawn)).dumped(), "x")
    assert read.trace == drawn
    assert read.recording.schedule == drawn.schedule


def test_a_bundle_comes_back_as_it_was() -> None:
    assert parse_bundle(bundle().dumped(), "x") == bundle()


def test_a_fault_plan_comes_back_as_it_was() -> None:
    recording = Recording(kind="fault plan", faults=recorded_plan(PLAN, patient=True), aspect="money")
    read = parse_bundle(bundle(recording).dumped(), "x").recording
    assert read.faults is not None
    assert plan_of(read.faults) == PLAN
    assert read.faults.patient


def test_a_recording_names_every_kind_of_fault() -> None:
    assert set(get_args(FaultName)) == {kind.value for kind in FaultKind}


def test_the_version_is_what_a_bundle_begins_with() -> None:
    assert bundle().dumped().lstrip("{\n ").startswith('"overbooked_bundle": 3')


def test_a_schedule_is_one_line_to_read_and_to_paste() -> None:
    assert '"schedule": [ 0, 0, 1, 1, 1, 1, 0, 0 ]' in bundle().dumped()


# -- size -----------------------------------------------------------------------------------------


def long_bundle() -> Bundle:
    steps = [step(n % 2, f"SELECT a FROM t{n}", text="SELECT " + "x" * 500) for n in range(100)]
    return bundle(recorded_schedule("r", trace(*steps)))


def test_a_bundle_that_fits_is_left_alone() -> None:
    assert bundle().within(100_000) == bundle()


def test_texts_go_first_and_the_schedule_stays() -> None:
    smaller = long_bundle().within(60_000)
    assert len(smaller.dumped()) <= 60_000
    assert smaller.recording.cut == "the texts of statements"
    assert smaller.trace.shape == long_bundle().trace.shape
    assert parse_bundle(smaller.dumped(), "x") == smaller


def test_then_the_trace_goes_and_the_schedule_stays() -> None:
    smallest = long_bundle().within(16_000)
    assert smallest.recording.cut == "the trace"
    assert smallest.recording.steps == ()
    assert smallest.recording.schedule == long_bundle().recording.schedule
    assert parse_bundle(smallest.dumped(), "x") == smallest


# -- invalid bundles ------------------------------------------------------------------------------


@pytest.mark.parametrize("cut", [1, 20, 200, 900, -10])
def test_a_truncated_bundle_is_said_to_be_one(cut: int) -> None:
    with pytest.raises(BadBundle, match="x is a truncated bundle"):
        parse_bundle(bundle().dumped()[:cut], "x")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "it is empty"),
        ("\n", "it is empty"),
        ("hello", "invalid JSON"),
        ("[" * 100_000, "nested too deeply"),
        ("3", "it has no 'overbooked_bundle'"),
        ('{"gaps": []}', "it has no 'overbooked_bundle'"),
    ],
)
def test_what_is_no_bundle_is_refused(text: str, said: str) -> None:
    with pytest.raises(BadBundle, match=said):
        parse_bundle(text, "x")


@pytest.mark.parametrize("version", [0, 4, "1", None, True, 1.5])
def test_another_version_is_refused_and_named(version: object) -> None:
    text = changed(lambda data: data.update(overbooked_bundle=version))
    with pytest.raises(BadBundle, match=f"schema version {version!r}, and this Overbooked reads 1, 2 and 3"):
        parse_bundle(text, "x")


@pytest.mark.parametrize(
    ("clause", "said"), [("SYS-03.c", "`overbooked race SYS-03.c` makes a new one"), ("", "make a new one")]
)
def test_another_version_says_how_to_get_a_new_one(clause: str, said: str) -> None:
    text = changed(lambda data: data.update(overbooked_bundle=0, clause=clause))
    with pytest.raises(BadBundle, match=f": {said}$"):
        parse_bundle(text, "x")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda data: data.pop("clause"), "clause: field required"),
        (lambda data: data.update(clause=""), "clause: missing in a bundle"),
        (lambda data: data.update(more=1), "more: extra inputs are not permitted"),
        (lambda data: data["recording"].update(schedule=[0, "x"]), "recording.schedule.1"),
        (lambda data: data["recording"]["steps"][0].update(connection=0), "recording.steps.0.connection"),
        (lambda data: data["recording"].update(schedule=[0, 1]), "their actors are not the schedule"),
        (lambda data: data["recording"].update(steps=[], schedule=[5]), "not among the 2"),
        (lambda data: data["recording"].update(kind="fault plan"), "missing in a fault plan"),
        (lambda data: data["made"].update(at="yesterday"), "made.at"),
    ],
)
def test_a_damaged_bundle_is_refused_and_the_place_named(
    change: Callable[[dict[str, Any]], object], said: str
) -> None:
    with pytest.raises(BadBundle, match=f"x is a damaged bundle: .*{said}"):
        parse_bundle(changed(change), "x")


def test_a_fault_point_that_was_edited_is_refused() -> None:
    text = bundle(Recording(kind="fault plan", faults=recorded_plan(PLAN), aspect="money")).dumped()
    with pytest.raises(BadBundle, match="fingerprint is not that of its link and shape"):
        parse_bundle(text.replace('"shape": "COMMIT"', '"shape": "ROLLBACK"'), "x")


def test_a_file_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    with pytest.raises(BadBundle, match="the bundle cannot be read: Is a directory"):
        read_bundle(tmp_path)
    with pytest.raises(BadBundle, match="cannot be read: No such file"):
        read_bundle(tmp_path / "x.json")
    (tmp_path / "y.json").write_bytes(b"\xff\xfe")
    with pytest.raises(BadBundle, match="not UTF-8 text"):
        read_bundle(tmp_path / "y.json")


def test_a_bundle_of_version_1_is_read_and_knows_no_commits_of_their_own() -> None:
    old = parse_bundle(changed(lambda data: data.update(overbooked_bundle=1)), "x")
    assert not old.orders_commits
    assert bundle().orders_commits
    assert old.dumped().lstrip("{\n ").startswith('"overbooked_bundle": 1')


@pytest.mark.parametrize("version", [1, 2])
def test_in_bundles_of_earlier_versions_every_actor_begins_before_the_first_step(version: int) -> None:
    old = parse_bundle(changed(lambda data: data.update(overbooked_bundle=version)), "x")
    assert not old.orders_begins
    assert bundle().orders_begins
