"""Discovers scenarios and their bindings without running them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from overbooked.catalog import Catalog
from overbooked.errors import UsageError
from overbooked.marker import MARKER, bound_names
from overbooked.runs.controller_plugin import last_line
from overbooked.runs.isolation import quietly, undisturbed

# The plugin reads its own settings, but here names are resolved in the given catalog.
_WITHOUT_PLUGIN = ("-p", "no:overbooked.plugin")


class _CollectPlugin:
    def __init__(self) -> None:
        self.bound: dict[str, tuple[str, ...]] = {}
        self.broken: list[str] = []

    @pytest.hookimpl(trylast=True)
    def pytest_configure(self, config: pytest.Config) -> None:
        config.addinivalue_line("markers", f"{MARKER}(*names): binds a scenario to gaps or clauses")
        reporter = config.pluginmanager.get_plugin("terminalreporter")
        if reporter is not None:
            config.pluginmanager.unregister(reporter)

    def pytest_itemcollected(self, item: pytest.Item) -> None:
        names = bound_names(item)
        if names:
            self.bound.setdefault(item.nodeid.partition("[")[0], names)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.broken.append(f"{report.nodeid}: {last_line(report.longreprtext)}")


def discover(paths: Sequence[Path], root: Path, catalog: Catalog) -> Mapping[str, Sequence[str]]:
    """Return the node ids of the scenarios bound to each clause, by the clause's full name.

    Args:
        paths: folders or files of scenarios; missing ones contribute none.
        root: node ids are relative to it.
        catalog: defines the clauses of each gap.

    Raises:
        UsageError: a scenario cannot be imported.
        UnknownGap: a scenario is bound to an unknown gap or clause.
    """
    there = [str(path) for path in paths if path.exists()]
    if not there:
        return {}
    surveyor = _CollectPlugin()
    with undisturbed():
        pytest.main(["--collect-only", *quietly(paths, root), *_WITHOUT_PLUGIN, *there], plugins=[surveyor])
    if surveyor.broken:
        raise UsageError("; ".join(surveyor.broken))
    found: dict[str, list[str]] = {}
    for scenario, names in surveyor.bound.items():
        for clause in catalog.clauses_of(names):
            found.setdefault(clause.name, []).append(scenario)
    return found
