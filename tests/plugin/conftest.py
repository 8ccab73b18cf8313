"""Runs toy scenarios in a separate pytest session, as a run does, and reads the results."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

import overbooked.plugin.manager
import overbooked.plugin.terminal_summary  # noqa: F401
from overbooked.runs.plan import Plan, Variant
from overbooked.runs.result import PROPERTY, TrialResult

from .toy_stack import TOOLS

# The plugins that scenarios need; otherwise each session would load all of this environment.
PLUGINS = ("-p", "pytest_asyncio.plugin", "-p", "overbooked.plugin", "-p", "no:cacheprovider")

CONFTEST = (
    """
from pathlib import Path
import pytest
from tests.plugin.toy_stack import factory

@pytest.fixture(scope="session")
def stack_factory():
    return factory(Path({diary!r}))
"""
    + TOOLS
)


@dataclass
class ScenarioRunner:
    """Runs sessions of toy scenarios."""

    pytester: pytest.Pytester
    diary: Path

    def hold(self, source: str, *variants: Variant, options: tuple[str, ...] = (), **plan: object) -> Session:
        self.pytester.makeconftest(CONFTEST.format(diary=str(self.diary)))
        self.pytester.makepyfile(test_toy="from overbooked import *\nimport pytest\n\n" + source)
        file = self.pytester.path / "plan.json"
        here = self.pytester.path
        basis = {"run": "toy", "directory": None, "root": here, "start": here, "settings": {}, "seed": 7}
        Plan(variants=variants, **{**basis, **plan}).write(file)  # type: ignore[arg-type]
        self.diary.write_text("")
        result = self.pytester.inline_run(f"--overbooked-plan={file}", *PLUGINS, *options)
        results = [
            TrialResult.decode(value)
            for call in result.getcalls("pytest_runtest_logreport")
            for name, value in call.report.user_properties
            if name == PROPERTY and call.report.when == "teardown"
        ]
        ids = [
            call.report.nodeid
            for call in result.getcalls("pytest_runtest_logreport")
            if call.report.when == "setup"
        ]
        return Session(results, self.diary.read_text().splitlines(), ids, result.countoutcomes(), result)


@dataclass
class Session:
    results: list[TrialResult]
    diary: list[str]
    ids: list[str]
    outcomes: list[int]  # passed, skipped, failed (errors included)
    raw: pytest.HookRecorder

    def verdicts(self) -> dict[str, str]:
        """Verdict by `trial clause`."""
        return {
            f"{result.trial.id} {each.clause}": each.verdict.value
            for result in self.results
            for each in result.results
        }


@pytest.fixture
def runner(pytester: pytest.Pytester, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ScenarioRunner:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2]))
    return ScenarioRunner(pytester, tmp_path / "diary")


@pytest.fixture
def healthy() -> Callable[..., Variant]:
    def make(*clauses: str, **more: object) -> Variant:
        return Variant("healthy", None, clauses, **more)  # type: ignore[arg-type]

    return make
