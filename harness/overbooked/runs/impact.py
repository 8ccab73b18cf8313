"""Determines the impact of a change: the clauses and mutants that must be proven again.

Three kinds of file narrow the selection, if nothing else depends on the file:

- scenarios and modules that only scenarios import, including oracles: the clauses that they are bound to;
- catalog files: the gaps whose rows differ;
- files that the target's list of mutants names as the `source` of mutants: those mutants.

Documentation and tests affect nothing. Every other file selects everything: the service under test is one
program, and so is the harness.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath

import overbooked
from overbooked.catalog import Catalog
from overbooked.catalog.reading import read_gaps
from overbooked.errors import ConfigError, UnknownGap
from overbooked.runs.durations import SHIPPED
from overbooked.runs.git_changes import GitTree
from overbooked.runs.import_graph import ImportGraph
from overbooked.runs.written import bound_in, written

FACADE = f"{overbooked.__name__}.scenario"
_DOCUMENTATION = frozenset({".md", ".rst", ".svg", ".png"})
_TESTS = ("tests", "test")
_CI = (".ci", ".github", ".gitlab")
# Packages of the harness that a session loads only if a scenario imports them, or never.
_BY_IMPORT_ONLY = ("oracles/", "journeys/", "load/", "cli/")


@dataclass(frozen=True, slots=True)
class Impact:
    """The impact of a change.

    Args:
        changed: every path that changed.
        everything: the reason why everything is affected, naming one path; "" if it is not.
        clauses: full names of clauses whose judgement may have changed.
        mutants: names of mutants whose definition may have changed.
    """

    changed: tuple[str, ...]
    everything: str = ""
    clauses: frozenset[str] = frozenset()
    mutants: frozenset[str] = frozenset()

    @property
    def nothing(self) -> bool:
        """Whether the change affects no verdict."""
        return not (self.everything or self.clauses or self.mutants)


@dataclass(frozen=True)
class Project:
    """The files of a project on which its verdicts depend.

    Args:
        root: the project's folder.
        scenarios: files and folders of scenarios.
        catalog: the current catalog.
        catalogs: the project's catalog files and folders.
        sources: the files that define only one mutant, by its name, as declared by the target.
        settings: further files that everything depends on: settings, the descriptor.
        adopted: the folder of the descriptor, and names that its commands and its adapter mention.
    """

    root: Path
    scenarios: Sequence[Path]
    catalog: Catalog
    catalogs: Sequence[Path] = ()
    sources: Mapping[str, Sequence[Path]] = field(default_factory=dict)
    settings: Sequence[Path] = ()
    adopted: Sequence[str] = ()

    def impact(self, git: GitTree, commit: str) -> Impact:
        """Return the impact of the differences to a commit."""
        return _Reckoning(self, git, commit).impact()


class _Reckoning:
    """One comparison of a working tree with a commit."""

    def __init__(self, project: Project, git: GitTree, commit: str) -> None:
        self._project = project
        self._git = git
        self._commit = commit
        self._clauses: set[str] = set()
        self._mutants: set[str] = set()

    def impact(self) -> Impact:
        changed = list(self._git.changed_since(self._commit))
        # A file that git does not track may have changed.
        known = self._git.tracked() | set(changed)
        changed += sorted({*self._leaves, *self._mutants_of, *self._fixed} - known)
        everything = ""
        for path in changed:
            why = self._take(path)
            everything = everything or why
        return Impact(tuple(changed), everything, frozenset(self._clauses), frozenset(self._mutants))

    def _take(self, path: str) -> str:
        """Add the impact of one path; return the reason if it affects everything, else ""."""
        name = PurePosixPath(path)
        if path in self._fixed:
            return f"{path} is the project's configuration"
        if self._is_catalog(path):
            self._clauses |= self._of_catalog(path)
            return ""
        if path in self._mutants_of and path not in self._shared:
            # Includes the clauses of files that import this one.
            for file, mutants in self._mutants_of.items():
                if path in self._graph.reached_from([file]):
                    self._mutants |= mutants
            return ""
        if self._inside_scenarios(path):
            return self._of_scenarios(path)
        if self._oracle(path):
            return self._of_helper(path)
        if _is_documentation(name) or name.parts[0] in _CI or self._is_test(path):
            return ""
        return f"{path} may affect every verdict"

    # -- scenarios -----------------------------------------------------------------------------

    def _of_scenarios(self, path: str) -> str:
        name = PurePosixPath(path)
        if name.name == SHIPPED:
            return ""  # a hint for the order of trials
        if name.suffix != ".py":
            return f"{path} is inside the folder of scenarios"
        if name.name in ("conftest.py", "__init__.py"):
            below = f"{name.parent.as_posix()}/"
            for file, clauses in self._leaves.items():
                if file.startswith(below) or name.parent == PurePosixPath():
                    self._clauses |= clauses
            return "" if path not in self._shared else f"{path} is imported by more than scenarios"
        now = self._leaves.get(path, frozenset())
        before = self._bound_before(path)
        if before is None:
            return f"{path} could not be read at the base commit"
        if now or before:
            # A removed binding means that a clause has lost a scenario.
            self._clauses |= now | before
            return self._of_helper(path) if self._exists(path) else ""
        return (
            self._of_helper(path) if self._exists(path) else f"{path} was deleted, and others may import it"
        )

    def _bound_before(self, path: str) -> frozenset[str] | None:
        """Return the clauses that a file was bound to at the commit; None if unknown."""
        content = self._git.before(self._commit, path)
        if content is None:
            return frozenset()
        try:
            bound = bound_in(ast.parse(content), Path(path))
        except (SyntaxError, ValueError, overbooked.HarnessError):
            return None
        return self._clauses_named(name for _, names in bound for name in names)

    def _clauses_named(self, names: Iterable[str]) -> frozenset[str]:
        found: set[str] = set()
        for name in names:
            try:
                found |= {clause.name for clause in self._project.catalog.clauses_of([name])}
            except UnknownGap:
                continue  # a removed gap is not proven
        return frozenset(found)

    def _of_helper(self, path: str) -> str:
        """Add the impact of a module that only scenarios import; else return why everything is affected."""
        if path in self._shared:
            return f"{path} is imported by more than scenarios"
        users = [file for file in self._leaves if path in self._graph.reached_from([file])]
        around = [file for file in self._around if path in self._graph.reached_from([file])]
        for file in around:
            below = PurePosixPath(file).parent.as_posix()
            users += [leaf for leaf in self._leaves if leaf.startswith(f"{below}/") or below == "."]
        if not users:
            return f"{path} is used in a way that its imports do not show"
        for file in users:
            self._clauses |= self._leaves[file]
        return ""

    # -- catalog -------------------------------------------------------------------------------

    def _is_catalog(self, path: str) -> bool:
        file = self._absolute(path)
        inside = [*self._project.catalogs, self._harness / "catalog"]
        return file.suffix == ".toml" and any(one in (file, file.parent) for one in inside)

    def _of_catalog(self, path: str) -> frozenset[str]:
        """Return the clauses of every gap whose row differs."""
        before = self._git.before(self._commit, path)
        try:
            old = {gap.id: gap for gap in read_gaps((before or b"").decode(), path)} if before else {}
        except (ConfigError, UnicodeDecodeError):
            old = {}
        try:
            new = read_gaps(self._absolute(path).read_text(encoding="utf-8"), path)
        except (OSError, ConfigError):
            new = ()
        changed = [gap for gap in new if old.get(gap.id) != gap]
        return frozenset(clause.name for gap in changed for clause in gap.clauses)

    # -- the project ---------------------------------------------------------------------------

    @cached_property
    def _harness(self) -> Path:
        return Path(overbooked.__file__).resolve().parent

    @cached_property
    def _fixed(self) -> frozenset[str]:
        return frozenset(
            path for file in self._project.settings if (path := self._relative(file)) is not None
        )

    @cached_property
    def _leaves(self) -> Mapping[str, frozenset[str]]:
        """The clauses that each file of scenarios is bound to."""
        found: dict[str, frozenset[str]] = {}
        for file in self._scenario_files:
            names = [name for one in written([self._root / file], self._root) for name in one.names]
            if names:
                found[file] = self._clauses_named(names)
        return found

    @cached_property
    def _scenario_files(self) -> tuple[str, ...]:
        found: list[str] = []
        for place in self._project.scenarios:
            for file in [place] if place.is_file() else sorted(place.rglob("*.py")):
                if (path := self._relative(file)) is not None:
                    found.append(path)
        return tuple(dict.fromkeys(found))

    @cached_property
    def _around(self) -> tuple[str, ...]:
        """The files that pytest loads in addition to the scenarios."""
        return tuple(
            file
            for file in self._scenario_files
            if PurePosixPath(file).name in ("conftest.py", "__init__.py")
        )

    def _inside_scenarios(self, path: str) -> bool:
        file = self._absolute(path)
        return any(file == place or place in file.parents for place in self._places)

    @cached_property
    def _places(self) -> tuple[Path, ...]:
        return tuple(place.resolve() for place in self._project.scenarios)

    @cached_property
    def _mutants_of(self) -> Mapping[str, frozenset[str]]:
        """The mutants that each file defines."""
        found: dict[str, set[str]] = {}
        for mutant, files in self._project.sources.items():
            for file in files:
                if (path := self._relative(file)) is not None:
                    found.setdefault(path, set()).add(mutant)
        return {path: frozenset(mutants) for path, mutants in found.items()}

    def _oracle(self, path: str) -> bool:
        file = self._absolute(path)
        return file.suffix == ".py" and self._harness / "oracles" in file.parents and self._exists(path)

    def _is_test(self, path: str) -> bool:
        """Return whether a path belongs to tests on which no verdict depends."""
        first, *rest = PurePosixPath(path).parts
        if first not in _TESTS or not rest:
            return False
        folder = self._root / first
        needed = [*self._project.scenarios, *self._project.settings, *self._project.catalogs]
        if any(folder in file.resolve().parents for file in needed):
            return False
        if any(first in name.replace("/", ".").split(".") for name in self._project.adopted):
            return False
        return path not in self._shared and path not in self._graph.reached_from(
            [*self._leaves, *self._around]
        )

    @cached_property
    def _shared(self) -> frozenset[str]:
        """Files that the service, the adapter or the harness import: more than scenarios and mutants."""
        apart = {*self._scenario_files, *self._mutants_of}
        harness = self._relative(self._harness)
        prefixes = [f"{harness}/{room}" for room in _BY_IMPORT_ONLY] if harness else []
        facade = f"{harness}/scenario.py" if harness else ""
        roots = [
            file
            for file in self._python
            if file not in apart
            and file != facade
            and not file.startswith(tuple(prefixes))
            and PurePosixPath(file).parts[0] not in _TESTS
        ]
        return self._graph.reached_from(roots)

    @cached_property
    def _python(self) -> tuple[str, ...]:
        every = {path for path in self._git.tracked() if path.endswith(".py")}
        every |= {*self._scenario_files, *self._mutants_of}
        every |= {path for path in self._git.changed_since(self._commit) if path.endswith(".py")}
        return tuple(sorted(path for path in every if self._exists(path)))

    @cached_property
    def _graph(self) -> ImportGraph:
        return ImportGraph(self._root, self._python, FACADE)

    @cached_property
    def _root(self) -> Path:
        return self._project.root.resolve()

    def _absolute(self, path: str) -> Path:
        return self._root / path

    def _exists(self, path: str) -> bool:
        return self._absolute(path).is_file()

    def _relative(self, path: Path) -> str | None:
        """Return a path relative to the root; None if it is outside the project."""
        try:
            return path.resolve().relative_to(self._root).as_posix()
        except ValueError:
            return None


def _is_documentation(path: PurePosixPath) -> bool:
    """Return whether a file is documentation: a text at the top level or in `docs`."""
    top = len(path.parts) == 1
    return (top or path.parts[0] == "docs") and (
        path.suffix in _DOCUMENTATION or (top and path.name in ("LICENSE", ".gitignore"))
    )
