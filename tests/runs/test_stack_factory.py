"""Stacks are created according to settings and variant."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from overbooked.config import Settings
from overbooked.errors import ConfigError, StackError, UsageError
from overbooked.runs.plan import Variant
from overbooked.runs.stack_factory import load_descriptor, resolve_kind, stack_factory
from overbooked.stacks import kinds as choice


def settings(tmp_path: Path, **stack: Any) -> Settings:
    (tmp_path / "toy.toml").write_text('name = "toy"\nadapter = "tests.plugin.toy_stack:Adapter"\n')
    (tmp_path / "overbooked.toml").write_text('[target]\ndescriptor = "toy.toml"\n')
    return Settings.load({"stack": stack}, start=tmp_path)


def test_a_variant_that_says_its_replicas_gets_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[tuple[Any, ...]] = []
    monkeypatch.setattr(
        choice,
        "make_stack",
        lambda kind, _descriptor, shape, *, mutant: made.append((kind, shape.replicas, mutant)),
    )
    make = stack_factory(settings(tmp_path, kind="embedded", replicas=3))
    make(Variant("healthy", None, ()))
    make(Variant("canary", "SYS-03.1", (), replicas=1))
    assert made == [("embedded", 3, None), ("embedded", 1, "SYS-03.1")]


def test_settings_that_name_no_system_are_refused() -> None:
    with pytest.raises(ConfigError, match="no system to judge"):
        load_descriptor(Settings())


def test_a_kind_that_cannot_be_had_is_bad_usage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def cannot(*_: object) -> None:
        raise StackError("the Docker daemon is down", part="docker")

    monkeypatch.setattr(choice, "resolve_kind", cannot)
    chosen = settings(tmp_path, kind="containers")
    with pytest.raises(UsageError, match="daemon is down"):
        resolve_kind(chosen, load_descriptor(chosen))
