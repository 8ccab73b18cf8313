"""Settings and paths are resolved before anything is started."""

from __future__ import annotations

import pytest

from overbooked.cli.context import command_context
from overbooked.config import Settings
from overbooked.errors import ConfigError, UnknownGap

from .conftest import Project


def test_a_mutant_is_found_as_somebody_types_it(project: Project) -> None:
    ground = command_context(Settings.load(start=project.root), "sys-03.1")
    assert (ground.mutant, ground.kind, ground.seed) == ("SYS-03.1", "embedded", 7)
    assert ground.descriptor.name == "toy"


def test_without_a_mutant_it_is_the_system_as_it_is(project: Project) -> None:
    assert command_context(Settings.load(start=project.root), None).mutant is None


def test_a_seed_is_drawn_where_none_is_said(project: Project) -> None:
    settings = Settings.load(start=project.root).model_copy(update={"seed": None})
    assert command_context(settings, None).seed != command_context(settings, None).seed


def test_a_mutant_that_the_system_does_not_have_is_refused(project: Project) -> None:
    with pytest.raises(UnknownGap, match=r"toy does not have the mutant SYS-03\.4"):
        command_context(Settings.load(start=project.root), "SYS-03.4")


def test_no_system_is_no_ground(project: Project) -> None:
    settings = project.root / "overbooked.toml"
    settings.write_text(settings.read_text().replace('descriptor = "toy.toml"', ""))
    with pytest.raises(ConfigError, match="no system to judge"):
        command_context(Settings.load(start=project.root), None)
