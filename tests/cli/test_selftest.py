"""`overbooked test` passes all arguments to pytest in a separate process."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Any

import pytest

from overbooked.cli.commands import test as selftest

from .conftest import Project


class _Child:
    def __init__(self, calls: list[tuple[list[str], Path]], code: int) -> None:
        self.calls, self.code = calls, code

    def __call__(self, command: list[str], cwd: Path) -> _Child:
        self.calls.append((command[1:], cwd))
        return self

    def __enter__(self) -> _Child:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None: ...

    def wait(self) -> int:
        return self.code


@pytest.mark.parametrize(("pytest_code", "code"), [(0, 0), (1, 1), (4, 2)])
def test_the_outcome_of_pytest_is_the_exit_code(
    project: Project, monkeypatch: pytest.MonkeyPatch, pytest_code: int, code: int
) -> None:
    calls: list[Any] = []
    monkeypatch.setattr(selftest.subprocess, "Popen", _Child(calls, pytest_code))
    (project.root / "tests").mkdir()
    assert project.call("test", "tests/faults", "-k", "latency").code == code
    assert calls == [(["-m", "pytest", "-n", "auto", "-q", "tests/faults", "-k", "latency"], project.root)]


def test_whoever_says_how_many_workers_gets_them(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Any] = []
    monkeypatch.setattr(selftest.subprocess, "Popen", _Child(calls, 0))
    (project.root / "tests").mkdir()
    project.call("test", "-n0")
    assert calls[0][0] == ["-m", "pytest", "-n0"]


def test_without_a_checkout_there_are_no_tests(project: Project) -> None:
    called = project.call("test")
    assert called.code == 2
    assert "checkout" in called.err
