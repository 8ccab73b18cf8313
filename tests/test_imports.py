"""The package's structure: no import circle, no module or folder too large, no class name used twice."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
PACKAGE = REPOSITORY / "harness" / "overbooked"
ROOTS = [REPOSITORY / name for name in ("harness", "scenarios", "reference_system", "tests")]
MOST_LINES = 400
MOST_MODULES = 25

Graph = dict[str, set[str]]


def modules(package: Path) -> dict[str, Path]:
    """Every module of a package by its dotted name."""
    found = {}
    for path in package.rglob("*.py"):
        parts = path.relative_to(package.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def module_level(tree: ast.Module) -> Iterator[ast.Import | ast.ImportFrom]:
    """Imports that run when a module is loaded, and those under TYPE_CHECKING."""
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            waiting.extend(ast.iter_child_nodes(node))


def imports_of(name: str, path: Path, known: Mapping[str, Path]) -> set[str]:
    found: set[str] = set()
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    for node in module_level(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
            continue
        base = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
        source = ".".join([*base, *([node.module] if node.module else [])])
        for alias in node.names:
            inner = f"{source}.{alias.name}"
            found.add(inner if inner in known else source)
    return {each for each in found if each in known and each != name}


def graph_of(package: Path) -> Graph:
    known = modules(package)
    return {name: imports_of(name, path, known) for name, path in known.items()}


def cycle_in(graph: Graph) -> list[str]:
    """One circle of imports, its first module repeated at the end; empty where there is none."""
    done: set[str] = set()

    def search(name: str, trail: list[str]) -> list[str]:
        if name in trail:
            return [*trail[trail.index(name) :], name]
        if name in done:
            return []
        for other in sorted(graph[name]):
            if cycle := search(other, [*trail, name]):
                return cycle
        done.add(name)
        return []

    for start in sorted(graph):
        if cycle := search(start, []):
            return cycle
    return []


def class_names(package: Path) -> dict[str, list[str]]:
    """The modules that define a public class, by the name of the class."""
    found: dict[str, list[str]] = defaultdict(list)
    for name, path in modules(package).items():
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                found[node.name].append(name)
    return found


def test_no_module_imports_itself_through_others() -> None:
    cycle = cycle_in(graph_of(PACKAGE))
    assert not cycle, "import circle: " + " -> ".join(cycle)


def test_a_circle_is_found_under_type_checking_too(tmp_path: Path) -> None:
    package = tmp_path / "circular"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "one.py").write_text("from circular import two\n")
    (package / "two.py").write_text(
        "from typing import TYPE_CHECKING\n\nif TYPE_CHECKING:\n    from .one import One\n"
    )
    assert cycle_in(graph_of(package)) == ["circular.one", "circular.two", "circular.one"]
    (package / "two.py").write_text("def late():\n    from circular.one import One\n")
    assert cycle_in(graph_of(package)) == []


@pytest.mark.parametrize("root", ROOTS, ids=lambda root: root.name)
def test_no_module_is_longer_than_400_lines(root: Path) -> None:
    long = {
        str(path.relative_to(REPOSITORY)): lines
        for path in root.rglob("*.py")
        if (lines := len(path.read_text().splitlines())) > MOST_LINES
    }
    assert not long


@pytest.mark.parametrize("root", ROOTS, ids=lambda root: root.name)
def test_no_folder_has_more_than_25_modules(root: Path) -> None:
    counts: dict[str, int] = defaultdict(int)
    for path in root.rglob("*.py"):
        if path.name != "__init__.py":
            counts[str(path.parent.relative_to(REPOSITORY))] += 1
    assert not {folder: count for folder, count in counts.items() if count > MOST_MODULES}


def test_no_class_name_is_used_twice() -> None:
    twice = {name: places for name, places in class_names(PACKAGE).items() if len(places) > 1}
    assert not twice
