"""Which scenarios there are and what they are bound to, without running any."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from overbooked.catalog import Catalog
from overbooked.errors import UsageError
from overbooked.marker import MARKER, bound_names
from overbooked.runs.controller_plugin import last_line
from overbooked.runs.isolation import quietly, undisturbed

# The plugin's bookkeeper would read settings of its own; the names are looked up in the catalog given.
_UNKEPT = ("-p", "no:overbooked.plugin")


class _Surveyor:
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


def survey(paths: Sequence[Path], root: Path, catalog: Catalog) -> Mapping[str, Sequence[str]]:
    """The node ids of the scenarios bound to each clause, by the clause's full name.

    Args:
        paths: folders or files of scenarios; those that do not exist hold none.
        root: what node ids are relative to.
        catalog: says which clauses a gap has.

    Raises:
        UsageError: a scenario cannot be imported.
        UnknownGap: one is bound to what does not exist.
    """
    there = [str(path) for path in paths if path.exists()]
    if not there:
        return {}
    surveyor = _Surveyor()
    with undisturbed():
        pytest.main(["--collect-only", *quietly(paths, root), *_UNKEPT, *there], plugins=[surveyor])
    if surveyor.broken:
        raise UsageError("; ".join(surveyor.broken))
    found: dict[str, list[str]] = {}
    for scenario, names in surveyor.bound.items():
        for clause in catalog.clauses_of(names):
            found.setdefault(clause.name, []).append(scenario)
    return found
