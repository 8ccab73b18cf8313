"""Lists the scenarios in the source files, independent of pytest's collection.

pytest collects only what its options, configuration, conftest files, markers and environment variables
select. The clauses of a run are compared with this list, so that a deselected scenario is detected.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from overbooked.catalog import Catalog
from overbooked.errors import UnknownGap, UsageError
from overbooked.marker import MARKER

_SKIPPED = {"__pycache__", "node_modules"}
_BINDS = f"{MARKER}(".encode()


@dataclass(frozen=True, slots=True)
class Written:
    """One scenario function in its source file.

    Args:
        function: node id, relative to the root if the file is inside it.
        names: the gaps and clauses that it is bound to, as written.
    """

    function: str
    names: tuple[str, ...]


def written(paths: Sequence[Path], root: Path) -> list[Written]:
    """Return every function that is bound by `@gap(...)` in these files and folders.

    Args:
        paths: folders or files of scenarios; missing ones contribute none.
        root: node ids are relative to it.

    Raises:
        UsageError: a name is not a plain string, so that the binding cannot be read from the source.
    """
    found: list[Written] = []
    for file, top in source_files(paths):
        try:
            source = file.read_bytes()
            tree = ast.parse(source) if _BINDS in source else None
        except (OSError, SyntaxError, ValueError):
            continue  # collection reports the error
        if tree is not None:
            name = _named(file, top, root)
            found += [Written(f"{name}::{path}", names) for path, names in bound_in(tree, file)]
    return found


def expected(found: Iterable[Written], catalog: Catalog) -> Mapping[str, Sequence[str]]:
    """Return the functions that judge each clause, by its full name; unknown names are left out."""
    functions: dict[str, list[str]] = {}
    for one in found:
        for name in one.names:
            try:
                clauses = catalog.clauses_of([name])
            except UnknownGap:
                continue
            for clause in clauses:
                if one.function not in functions.setdefault(clause.name, []):
                    functions[clause.name].append(one.function)
    return functions


def bound_in(tree: ast.Module, file: Path) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield the bound functions of one module, each with the names as written.

    Args:
        tree: the module's syntax tree.
        file: its path, for errors.

    Raises:
        UsageError: a name is not a plain string.
    """
    return _bound(tree.body, file)


def source_files(paths: Iterable[Path]) -> Iterator[tuple[Path, Path]]:
    """Yield every Python file of scenarios, with the path under which it was found."""
    seen: set[Path] = set()
    for path in paths:
        for file in [path] if path.is_file() else sorted(path.rglob("*.py")):
            if file not in seen and not _skipped(file.relative_to(path)):
                seen.add(file)
                yield file, path


def _skipped(inside: Path) -> bool:
    return any(part in _SKIPPED or (part.startswith(".") and part != ".") for part in inside.parts)


def _named(file: Path, top: Path, root: Path) -> str:
    """Return the file as named by pytest: relative to the root, else to the argument that contains it."""
    for base in (root, top):
        try:
            return file.resolve().relative_to(base.resolve()).as_posix()
        except ValueError:
            continue
    return file.name


def _bound(body: Sequence[ast.stmt], file: Path, within: str = "") -> Iterator[tuple[str, tuple[str, ...]]]:
    of_module = () if within else _of_module(body, file)
    for node in body:
        if isinstance(node, ast.ClassDef):
            of_class = _names(node, file)
            for path, names in _bound(node.body, file, f"{within}{node.name}::"):
                yield path, (*of_module, *of_class, *names)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            names = (*(of_module if node.name.startswith("test") else ()), *_names(node, file))
            if names:
                yield f"{within}{node.name}", names
        elif isinstance(node, ast.If | ast.Try | ast.With):
            yield from _bound([*node.body, *getattr(node, "orelse", ())], file, within)


def _of_module(body: Sequence[ast.stmt], file: Path) -> tuple[str, ...]:
    """Return the names to which `pytestmark = ...` binds every test of the module."""
    marks: list[ast.expr] = []
    for node in body:
        if isinstance(node, ast.Assign) and [ast.unparse(one) for one in node.targets] == ["pytestmark"]:
            marks += node.value.elts if isinstance(node.value, ast.List | ast.Tuple) else [node.value]
    return _named_by(marks, file)


def _names(node: ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef, file: Path) -> tuple[str, ...]:
    return _named_by(node.decorator_list, file)


def _named_by(decorators: Iterable[ast.expr], file: Path) -> tuple[str, ...]:
    names: list[str] = []
    for decorator in decorators:
        if not (isinstance(decorator, ast.Call) and _is_binding(decorator.func)):
            continue
        for argument in decorator.args:
            if not (isinstance(argument, ast.Constant) and isinstance(argument.value, str)):
                raise UsageError(
                    f"{file}, line {argument.lineno}: wanted the names of gaps and clauses as plain strings, "
                    f"found {ast.unparse(argument)}; write them out, e.g. @gap('SYS-03.c')"
                )
            names.append(argument.value)
    return tuple(names)


def _is_binding(function: ast.expr) -> bool:
    if isinstance(function, ast.Name):
        return function.id == MARKER
    return isinstance(function, ast.Attribute) and function.attr == MARKER
