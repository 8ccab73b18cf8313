"""`replay`: same order, same messages, same verdict; and the messages if a bundle no longer fits."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from overbooked.bundles.schema import ExpectedFinding
from overbooked.cli.replay_outcome import message_difference
from overbooked.verdicts.evidence import Finding
from tests.bundles.test_schema import bundle as sample_bundle

from .conftest import Project
from .racing import diary, prepare, seeds

Bundle = dict[str, Any]
COUNTING = "scenarios/test_races.py::test_counting"


@pytest.fixture
def racing(project: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    return prepare(project, monkeypatch)


@pytest.fixture
def bundle(racing: Project) -> Path:
    """A bundle of a lost increment."""
    assert racing.call("race", "SYS-03.a", "--mutant", "SYS-03.1").code == 1
    (folder,) = racing.runs()
    return folder / "SYS-03.a.json"


def rewrite(path: Path, change: Callable[[Bundle], object]) -> None:
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))


def test_a_bundle_ends_as_it_did(racing: Project, bundle: Path) -> None:
    called = racing.call("replay", str(bundle), "--json")
    assert called.code == 1
    assert "SYS-03.a is open, 1 of 1 as recorded: an increment is lost" in called.err
    assert "COMMIT  201" in called.err
    told = json.loads(called.out)
    assert told["as_recorded"] == told["replays"] == 1
    assert told["each"][0]["same_trace"] is True


def test_a_replay_has_the_seed_and_the_mutant_of_the_bundle(racing: Project, bundle: Path) -> None:
    before = seeds(racing)
    racing.call("replay", str(bundle))
    assert set(seeds(racing)) == set(before)
    assert diary(racing)[-3].startswith("start SYS-03.1")


def test_a_replay_can_be_repeated(racing: Project, bundle: Path) -> None:
    called = racing.call("replay", str(bundle), "--times", "5", "--json")
    assert called.code == 1
    assert json.loads(called.out)["as_recorded"] == 5
    assert "5 of 5 as recorded" in called.err
    assert sum(line.startswith("start") for line in diary(racing)) == 2


def test_a_replay_leaves_no_run_behind(racing: Project, bundle: Path) -> None:
    before = racing.runs()
    racing.call("replay", str(bundle))
    assert racing.runs() == before
    assert diary(racing)[-1] == "close"


def test_on_another_system_the_order_no_longer_applies(racing: Project, bundle: Path) -> None:
    called = racing.call("replay", str(bundle), "--healthy")
    assert called.code == 3
    assert "inconclusive" in called.err
    assert "can run: the service has changed" in called.err


def test_what_was_found_and_is_not_any_more_satisfies(racing: Project, bundle: Path) -> None:
    scenario = racing.root / "scenarios" / "test_races.py"
    scenario.write_text(scenario.read_text().replace("< len(ran.race.actors)", "< 0"))
    called = racing.call("replay", str(bundle), "--anyway")
    assert called.code == 0
    assert "no longer found: an increment is lost" in called.err


def test_messages_that_part_from_those_recorded_are_named(racing: Project, bundle: Path) -> None:
    rewrite(bundle, lambda data: data["recording"]["steps"][3].update(shape="SELECT y"))
    called = racing.call("replay", str(bundle), "--json")
    assert called.code == 1
    assert "0 of 1 as recorded" in called.err
    assert "not as recorded: step 3: wanted" in called.err
    assert json.loads(called.out)["each"][0]["same_trace"] is False


def test_another_message_is_named(racing: Project, bundle: Path) -> None:
    rewrite(bundle, lambda data: data["expected"].update(what="two increments are lost"))
    called = racing.call("replay", str(bundle))
    assert called.code == 1
    assert "expected 'two increments are lost', observed 'an increment is lost'" in called.err


# -- outdated bundles -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            'name="second")',
            'name="other")',
            "the scenario scenarios/test_races.py::test_counting has changed",
        ),
        (
            "def test_counting",
            "def test_adding",
            "the scenario scenarios/test_races.py::test_counting no longer exists",
        ),
    ],
)
def test_a_changed_scenario_is_said(racing: Project, bundle: Path, old: str, new: str, said: str) -> None:
    scenario = racing.root / "scenarios" / "test_races.py"
    scenario.write_text(scenario.read_text().replace(old, new))
    called = racing.call("replay", str(bundle))
    assert called.code == 3
    assert said in called.err
    assert len(called.err.splitlines()) == 1
    assert diary(racing)[-1] == "close"


def test_comments_and_layout_change_no_scenario(racing: Project, bundle: Path) -> None:
    scenario = racing.root / "scenarios" / "test_races.py"
    scenario.write_text(
        scenario.read_text().replace("async def test_counting", "# why\n\nasync def test_counting")
    )
    assert racing.call("replay", str(bundle)).code == 1


def test_a_changed_scenario_is_run_anyway_when_that_is_asked(racing: Project, bundle: Path) -> None:
    scenario = racing.root / "scenarios" / "test_races.py"
    scenario.write_text(scenario.read_text().replace('name="second")', 'name="other")'))
    called = racing.call("replay", str(bundle), "--anyway", "--json")
    assert called.code == 1
    assert json.loads(called.out)["no_longer_fits"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda data: data["fits"].update(catalog="0" * 16), "the catalog's text of SYS-03.a"),
        (
            lambda data: data["fits"].update(target="other"),
            "it was made with other, and overbooked.toml names toy",
        ),
        (lambda data: data["fits"].update(migrations="0" * 16), "the migrations have changed"),
        (lambda data: data["made"].update(profile="hourly"), "the profile 'hourly' no longer exists"),
        (lambda data: data["made"].update(mutant="SYS-03.99"), "SYS-03.99"),
        (lambda data: data.update(clause="SYS-99.a"), "SYS-99.a"),
    ],
)
def test_another_catalog_or_system_is_said(
    racing: Project, bundle: Path, change: Callable[[Bundle], object], said: str
) -> None:
    rewrite(bundle, change)
    called = racing.call("replay", str(bundle))
    assert called.code == 3
    assert "no longer fits" in called.err
    assert said in called.err


def test_without_its_profile_a_bundle_is_run_by_the_settings_when_that_is_asked(
    racing: Project, bundle: Path
) -> None:
    rewrite(bundle, lambda data: data["made"].update(profile="hourly"))
    called = racing.call("replay", str(bundle), "--anyway")
    assert called.code == 1
    assert "no longer fits: the profile 'hourly' no longer exists" in called.err


def test_a_schedule_that_no_longer_applies_names_its_step(racing: Project, bundle: Path) -> None:
    def other(data: Bundle) -> None:
        recording = data["recording"]
        recording["schedule"] = [0] * len(recording["schedule"])
        for step in recording["steps"]:
            step["actor"] = 0

    rewrite(bundle, other)
    called = racing.call("replay", str(bundle))
    assert called.code == 3
    assert "step 4 of the schedule is actor 0's, and only 1 can run" in called.err
    assert "SYS-03.a is inconclusive: 1 of 1 replays" in called.err


def test_a_race_that_is_gone_is_inconclusive(racing: Project, bundle: Path) -> None:
    rewrite(bundle, lambda data: data["recording"].update(race="third"))
    called = racing.call("replay", str(bundle))
    assert called.code == 3


# -- invalid bundles ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty"),
        ("not json", "invalid JSON"),
        ('{"overbooked_bundle": 1, "clause": "SYS-', "is a truncated bundle"),
        ('{"gaps": []}', "is not a replay bundle"),
        ("[1, 2]", "is not a replay bundle"),
        ('{"overbooked_bundle": 0, "clause": "SYS-03.a"}', "`overbooked race SYS-03.a` makes a new one"),
        ('{"overbooked_bundle": 4}', "update Overbooked"),
        ('{"overbooked_bundle": 1}', "is a damaged bundle: clause: field required"),
    ],
)
def test_what_is_no_bundle_is_refused_in_one_line(racing: Project, text: str, said: str) -> None:
    file = racing.root / "some.json"
    file.write_text(text)
    called = racing.call("replay", str(file))
    assert called.code == 2
    assert said in called.err
    assert len(called.err.splitlines()) == 1


def test_a_file_that_is_not_there_is_bad_usage(racing: Project) -> None:
    called = racing.call("replay", "nowhere.json")
    assert called.code == 2
    assert "the bundle cannot be read: No such file or directory" in called.err


@pytest.mark.parametrize(
    ("recorded", "observed"),
    [
        ("2, schedule 3, 1 preemption: race", "2, 1 preemption: race"),
        ("1800, schedule 1, no race needed", "1800, no race needed"),
        ("2, schedule 3, 2 preemptions: lost update", "2, 1 preemption: double claim"),
    ],
)
def test_the_number_of_the_schedule_and_the_anomaly_are_not_compared(recorded: str, observed: str) -> None:
    expected = ExpectedFinding(what="sold twice", observed=recorded)
    whole = sample_bundle().model_copy(update={"expected": expected})
    assert not message_difference(whole, Finding("sold twice", observed=observed))
    assert message_difference(whole, Finding("sold twice", observed=f"3, {observed}"))
