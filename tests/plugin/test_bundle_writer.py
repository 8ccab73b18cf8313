"""Recordings of a trial become bundles in the run's folder; a failed write does not change the verdict."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from overbooked.bundles.reader import read_bundle
from overbooked.catalog import Catalog
from overbooked.config import Settings
from overbooked.plugin.bundle_writer import BundleWriter
from overbooked.recording import Recording
from overbooked.runs.exploration_options import ExplorationOptions
from overbooked.runs.plan import CANARY, HEALTHY, Plan, Trial, Variant
from overbooked.runs.result import TrialResult
from overbooked.traces.recorded import recorded_schedule
from overbooked.verdicts.evidence import ClauseResult, Finding
from overbooked.verdicts.verdict import Verdict
from tests.traces.sample_traces import LOST_CHECK

RECORDED = recorded_schedule("book and book", LOST_CHECK)
SCENARIO = "scenarios/test_x.py::test_it"


def bundling(folder: Path, **more: Any) -> BundleWriter:
    plan = Plan(
        run="3f9c",
        directory=folder / "reports" / "out" / "3f9c",
        root=folder,
        start=folder,
        settings={},
        seed=7,
        variants=(
            Variant("SYS-03.1", "SYS-03.1", ("SYS-03.a",)),
            Variant("SYS-03.2", "SYS-03.2", ("SYS-03.a",)),
            Variant(CANARY, "SYS-03.1", ("SYS-03.a",)),
        ),
        **more,
    )
    settings = Settings.load({"bundles": {"keep": 2}}, start=folder)
    descriptor: Any = SimpleNamespace(name="toy", root=folder, database=None)
    return BundleWriter(plan, settings, Catalog.load(), lambda: descriptor)


def result(
    recording: Recording | None = RECORDED,
    variant: str = "SYS-03.1",
    details: Mapping[str, object] | None = None,
) -> TrialResult:
    finding = Finding("sold twice", "1", "2", ("mail to ana@example.com",), details or {}, recording)
    return TrialResult(
        scenario=SCENARIO,
        trial=Trial(variant),
        results=(ClauseResult("SYS-03.a", Verdict.OPEN, SCENARIO, "sold twice", finding=finding),),
        started_at=datetime.now(UTC),
        stack={"kind": "embedded", "replicas": 2, "versions": {"PostgreSQL": "18.6"}},
    )


def details_of(kept: TrialResult) -> Mapping[str, Any]:
    finding = kept.results[0].finding
    assert finding is not None
    return finding.details


def test_a_recording_becomes_a_bundle_that_is_named_in_its_place(tmp_path: Path) -> None:
    kept = bundling(tmp_path).with_bundles(result(details={"race": "r"}), 99)
    assert details_of(kept) == {"race": "r", "replay": "overbooked replay reports/out/3f9c/SYS-03.a.json"}
    bundle = read_bundle(tmp_path / "reports" / "out" / "3f9c" / "SYS-03.a.json")
    assert (bundle.made.seed, bundle.made.scenario_seed, bundle.made.replicas) == (7, 99, 2)
    assert (bundle.made.mutant, bundle.scenario) == ("SYS-03.1", SCENARIO)
    assert bundle.expected.operations == ("mail to <e-mail 1>",)
    assert bundle.trace == LOST_CHECK


def test_the_bundle_of_another_variant_says_which(tmp_path: Path) -> None:
    kept = bundling(tmp_path).with_bundles(result(RECORDED, "SYS-03.2"), 1)
    assert details_of(kept)["replay"].endswith("SYS-03.a-on-SYS-03.2.json")


def test_what_a_proof_meets_again_is_kept_once_for_each_scenario(tmp_path: Path) -> None:
    books = bundling(tmp_path)

    def met(scenario: str, repetition: int) -> str:
        found = result(RECORDED, "SYS-03.2")
        found = replace(found, scenario=scenario, trial=Trial("SYS-03.2", repetition))
        return str(details_of(books.with_bundles(found, repetition))["replay"])

    first, other = met(SCENARIO, 0), met("scenarios/test_x.py::test_other", 0)
    assert first != other
    assert [met(SCENARIO, 1), met("scenarios/test_x.py::test_other", 1)] == [first, other]
    kept = (tmp_path / "reports" / "out" / "3f9c").glob("*.json")
    assert [read_bundle(one).made.scenario_seed for one in kept] == [0, 0]


def test_a_finding_without_a_recording_is_left_alone(tmp_path: Path) -> None:
    untouched = result(None, details={"race": "r"})
    assert bundling(tmp_path).with_bundles(untouched, 1) is untouched


@pytest.mark.parametrize("more", [{"orders": ExplorationOptions(bundles=False)}])
def test_a_replay_keeps_none(tmp_path: Path, more: dict[str, Any]) -> None:
    assert details_of(bundling(tmp_path, **more).with_bundles(result(RECORDED), 1)) == {}


def test_a_canary_keeps_none(tmp_path: Path) -> None:
    assert details_of(bundling(tmp_path).with_bundles(result(RECORDED, CANARY), 1)) == {}
    assert HEALTHY != CANARY


def test_where_there_is_no_room_the_finding_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(os, "fsync", full)
    kept = bundling(tmp_path).with_bundles(result(RECORDED), 1)
    assert "No space left on device" in details_of(kept)["no bundle"]
    assert kept.results[0].verdict is Verdict.OPEN


def test_no_more_are_kept_than_the_settings_say(tmp_path: Path) -> None:
    books = bundling(tmp_path)
    for _ in range(4):
        books.with_bundles(result(RECORDED), 1)
    assert len(list((tmp_path / "reports" / "out" / "3f9c").glob("*.json"))) == 2
