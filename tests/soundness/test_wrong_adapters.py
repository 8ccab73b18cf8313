"""A wrong adapter proves nothing: neither that a race is safe, nor that it is not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

SETTINGS = """
canary = ""
policy = "{folder}/policy.toml"
seed = 5
workers = 0
scenarios = ["{scenarios}"]

[target]
descriptor = "{folder}/theatre.toml"

[stack]
kind = "embedded"

[profiles.quick.budget]
rounds = {rounds}
bursts = [2, 6]
"""

DESCRIPTOR = """
name = "theatre"
root = "{root}"

[adapter]
class = "{adapter}"

[[service]]
name = "app"
command = ["{{python}}", "tests/second_system/theatre.py", "--host", "{{host}}", "--port", "{{port}}",
  "--file", "{{data_dir}}/theatre.sqlite3", "--build", "{build}"]
health = "/up"
"""

# One customer cancels while others book; losers must be refused.
BOOK_AND_CANCEL = """
from overbooked import gap
from overbooked.oracles.answers import others_refused

@gap("SYS-03.d")
async def test_a_place_is_cancelled_while_others_book(system, bursts, judge, budget):
    await bursts.play(mix, system, judge, rounds=budget.rounds)

async def mix(system, judge):
    crowd = await system.customers(4)
    while True:
        slot = await system.open_slot(capacity=2)
        booked = await system.make_booking(crowd[0], slot)
        ran = yield [crowd[0].cancels(booked), *(who.books(slot) for who in crowd[1:])]
        with judge("SYS-03.d"):
            others_refused(ran.answers)
"""


def ruled(
    folder: Path,
    adapter: str,
    build: str,
    clause: str = "SYS-03.c",
    scenario: str = "",
    rounds: int = 4,
) -> tuple[str, str, int]:
    """Return verdict, reason and exit code of a run on the theatre with this adapter."""
    scenarios = ROOT / "scenarios"
    if scenario:
        scenarios = folder / "own"
        scenarios.mkdir()
        (scenarios / "test_own.py").write_text(scenario)
    (folder / "theatre.toml").write_text(DESCRIPTOR.format(root=ROOT, adapter=adapter, build=build))
    (folder / "policy.toml").write_text("canary = false\n")
    config = folder / "settings.toml"
    config.write_text(SETTINGS.format(folder=folder, scenarios=scenarios, rounds=rounds))
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("OVERBOOKED_", "PYTEST_"))}
    called = subprocess.run(
        [str(Path(sys.executable).with_name("overbooked")), "run", clause, "--config", str(config), "--json"],
        cwd=ROOT,
        env=environment | {"OVERBOOKED_REPORTS": str(folder / "reports")},
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert called.stdout, called.stderr
    clauses = {c["id"]: c for gap in json.loads(called.stdout)["gaps"] for c in gap["clauses"]}
    return clauses[clause]["verdict"], clauses[clause]["reason"], called.returncode


RIGHT = "tests.second_system.adapter:BoxOffice"


@pytest.mark.parametrize("adapter", ["Occupied", "WrongPath", "WrongToken"])
def test_a_theatre_that_sells_a_seat_twice_is_inconclusive_where_no_booking_can_succeed(
    tmp_path: Path, adapter: str
) -> None:
    verdict, reason, code = ruled(tmp_path, f"tests.soundness.box_offices:{adapter}", "naive")
    assert (verdict, code) == ("inconclusive", 3), reason
    assert reason.startswith("no book succeeded in")
    assert reason.endswith("check the adapter")


def test_a_wrong_path_for_one_verb_is_no_gap_of_a_right_theatre(tmp_path: Path) -> None:
    wrong = "tests.soundness.box_offices:WrongCancel"
    verdict, reason, code = ruled(tmp_path, wrong, "locked", "SYS-03.d", BOOK_AND_CANCEL)
    assert (verdict, code) == ("inconclusive", 3), reason
    assert reason.startswith("no cancel succeeded in")
    assert "alone on a new slot is answered 404" in reason


def test_the_right_adapter_closes_the_same_clause_of_the_same_theatre(tmp_path: Path) -> None:
    verdict, reason, code = ruled(tmp_path, RIGHT, "locked", "SYS-03.d", BOOK_AND_CANCEL)
    assert (verdict, code) == ("closed", 0), reason


def test_the_right_adapter_opens_a_theatre_that_sells_a_seat_twice(tmp_path: Path) -> None:
    verdict, reason, code = ruled(tmp_path, RIGHT, "naive", rounds=120)
    assert (verdict, code) == ("open", 1), reason
