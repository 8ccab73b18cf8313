"""Systems that refuse no request: one booking exists for all callers, and no refusal is required."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from overbooked.capabilities.booking import BookingRow
from overbooked.capabilities.durable_state import DurableState
from overbooked.descriptor import load
from overbooked.errors import GapFound
from overbooked.oracles.once import exactly_one_exists
from overbooked.targets.adapter import Answer, Outcome
from overbooked.targets.errors import TargetError
from tests.second_system.adapter import SharedBoxOffice

ROOT = Path(__file__).parents[2]

SETTINGS = """
canary = ""
seed = 5
workers = 0

[target]
descriptor = "theatre.toml"

[stack]
kind = "embedded"

[profiles.quick.budget]
rounds = {rounds}
bursts = [2, 16]
"""

DESCRIPTOR = """
name = "theatre"
root = "{root}"

[adapter]
class = "tests.second_system.adapter:{adapter}"

[[service]]
name = "app"
command = [
    "{{python}}", "tests/second_system/theatre.py", "--host={{host}}", "--port={{port}}",
    "--file={{data_dir}}/theatre.sqlite3", "--build={build}",
]
health = "/up"
"""


def told(*bookings: str) -> list[Answer]:
    return [Answer(Outcome.OK, 200, {"booking": one}) for one in bookings]


def kept(*bookings: str) -> DurableState:
    return DurableState(bookings=tuple(BookingRow(one, "s1", "ana", "confirmed") for one in bookings))


def test_one_booking_that_everybody_was_told_of_is_what_must_be() -> None:
    exactly_one_exists(told("b1", "b1", "b1"), 1, state=kept("b1"))
    exactly_one_exists([*told("b1"), Answer(Outcome.UNKNOWN)], 1)


@pytest.mark.parametrize(
    ("answers", "exist", "state", "what"),
    [
        (told("b1", "b2"), 2, None, "not exactly one booking exists"),
        (told("b1", "b1"), 2, None, "not exactly one booking exists"),  # a second that no answer names
        (told("b1", "b1"), 0, None, "not exactly one booking exists"),
        (told("b1", "b2"), 1, None, "clients got different bookings"),
        (told("b1", "b1"), 1, kept("b7"), "not exactly one booking exists"),
        (told("b1", "b1"), 1, kept("b1", "b2"), "not exactly one booking exists"),
    ],
)
def test_none_several_or_another_open_the_gap(
    answers: list[Answer], exist: int, state: DurableState | None, what: str
) -> None:
    with pytest.raises(GapFound, match=what):
        exactly_one_exists(answers, exist, state=state)


def test_a_race_in_which_nobody_was_told_ok_shows_nothing() -> None:
    with pytest.raises(TargetError, match=r"no request was answered OK.*check the adapter"):
        exactly_one_exists([Answer(Outcome.REFUSED, 409)] * 3, 1)


@pytest.mark.parametrize(
    ("build", "adapter", "verdict"),
    [
        ("shared-locked", "SharedBoxOffice", "closed"),
        ("shared-naive", "SharedBoxOffice", "open"),
        # A system that refuses is no system that tells everybody OK, and the other way round.
        ("shared-locked", "BoxOffice", "open"),
    ],
)
def test_the_bundled_scenario_judges_such_a_system(
    tmp_path: Path, build: str, adapter: str, verdict: str
) -> None:
    # A defect shows in some rounds only, and the first finding ends the rounds.
    rounds = 400 if verdict == "open" else 30
    (tmp_path / "overbooked.toml").write_text(SETTINGS.format(rounds=rounds))
    (tmp_path / "theatre.toml").write_text(DESCRIPTOR.format(root=ROOT, build=build, adapter=adapter))
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("OVERBOOKED_", "PYTEST_"))}
    called = subprocess.run(
        [str(Path(sys.executable).with_name("overbooked")), "run", "SYS-03.c", "SYS-03.d", "--json"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    clauses = {one["id"]: one for gap in json.loads(called.stdout)["gaps"] for one in gap["clauses"]}
    assert clauses["SYS-03.c"]["verdict"] == verdict, called.stderr
    if adapter == "SharedBoxOffice":
        assert (
            clauses["SYS-03.d"]["reason"] == "needs refusals, and this system answers every request with OK"
        )


def test_the_reference_system_refuses() -> None:
    # It claims every capability; the way of answering is not one of them.
    descriptor = load(ROOT / "reference_system" / "target" / "system.toml")
    assert getattr(descriptor.load_adapter(), "refuses", True)
    assert not SharedBoxOffice.refuses
