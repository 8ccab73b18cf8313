"""The commands that a finding prints judge the same system again when run as printed."""

from __future__ import annotations

import json
import re
import shlex

import pytest

from overbooked.reporting.commands import folded
from overbooked.verdicts.scorecard_reader import parse_scorecard

from .conftest import Project

OTHER = """
seed = 11

[target]
descriptor = "other.toml"
"""


@pytest.mark.parametrize("width", [10, 40, 80, 1000])
def test_a_command_is_folded_so_that_a_shell_reads_it_as_one(width: int) -> None:
    command = "overbooked run SYS-03.d --profile quick --config 'my own settings.toml' --seed 11"
    lines = folded(command, width)
    assert shlex.split(lines.replace("\\\n", " ")) == shlex.split(command)
    assert width < 1000 or "\n" not in lines
    assert width < 40 or all(len(line) <= width for line in lines.split("\n"))


@pytest.fixture
def other(project: Project) -> Project:
    """A project with a second settings file, of another system."""
    (project.root / "my settings.toml").write_text(OTHER)
    described = (project.root / "toy.toml").read_text()
    (project.root / "other.toml").write_text(described.replace('"toy"', '"other"'))
    return project


def test_a_printed_command_has_the_config_and_the_replicas_of_its_run(other: Project) -> None:
    said = ("run", "SYS-03.d", "--mutant", "SYS-03.5", "--config", "my settings.toml", "--replicas", "1")
    called = other.call(*said)
    (printed,) = set(re.findall(r"overbooked run (?:.*\\\n)*.*", called.err))
    words = shlex.split(printed.replace("\\\n", " "))
    assert words == [
        *("overbooked", "run", "SYS-03.d", "--profile", "quick", "--stack", "embedded", "--seed", "11"),
        *("--mutant", "SYS-03.5", "--replicas", "1", "--config", "my settings.toml"),
    ]
    again = other.call(*words[1:], "--json")
    card = json.loads(again.out)
    assert (card["target"], card["mutant"], card["seed"]) == ("other", "SYS-03.5", 11)
    assert card["gaps"][0]["verdict"] == "open"


def test_a_scorecard_of_version_one_is_read_without_options(project: Project) -> None:
    project.call("run", "SYS-03.d")
    data = json.loads((project.reports / "latest" / "scorecard.json").read_text())
    old = {name: value for name, value in data.items() if name != "options"} | {"schema_version": 1}
    assert parse_scorecard(json.dumps(old), "old").run.options == ()
