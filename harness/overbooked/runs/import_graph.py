"""The import graph of Python files, read from their source; an over-approximation if in doubt.

A dotted name matches every file whose path ends in it: the graph may have superfluous edges, but contains
every edge of an `import` statement. It does not detect imports by computed names.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterable, Mapping
from functools import cached_property
from pathlib import Path, PurePosixPath

INIT = "__init__"


class ImportGraph:
    """The imports between some Python files.

    Args:
        root: paths are relative to it.
        files: the Python files, relative to `root`.
        facade: a module that re-exports names. `from facade import name` counts as an import of the
            module that defines the name, and of no other module that the facade imports.
    """

    def __init__(self, root: Path, files: Iterable[str], facade: str = "") -> None:
        self._root = root
        self._files = tuple(sorted(files))
        self._facade = facade
        self._imports: dict[str, frozenset[str]] = {}

    def reached_from(self, files: Collection[str]) -> frozenset[str]:
        """Return these files and everything that they import, directly or not."""
        reached = set(files)
        rest = list(files)
        while rest:
            for other in self._imported_by(rest.pop()):
                if other not in reached:
                    reached.add(other)
                    rest.append(other)
        return frozenset(reached)

    def _imported_by(self, file: str) -> frozenset[str]:
        if file not in self._imports:
            self._imports[file] = frozenset(self._read(file))
        return self._imports[file]

    def _read(self, file: str) -> Iterable[str]:
        try:
            tree = ast.parse((self._root / file).read_bytes())
        except (OSError, SyntaxError, ValueError):
            return ()  # collection reports the error
        found: set[str] = set()
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    found.update(self._named(alias.name))
            elif isinstance(node, ast.ImportFrom):
                found.update(self._from(node, file))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                # "package.module:name": how adapters, mutants and fixtures name a module.
                module = node.value.partition(":")[0]
                if "." in module and module in self._by_name:
                    found.update(self._named(module))
        return found - {file}

    def _from(self, node: ast.ImportFrom, file: str) -> Iterable[str]:
        base = node.module or ""
        if node.level:
            parts = PurePosixPath(file).parts[: -node.level]
            base = ".".join([*parts, *filter(None, [base])])
        names = [alias.name for alias in node.names]
        if base == self._facade and "*" not in names and all(name in self._passed_on for name in names):
            for name in names:
                yield from self._named(self._passed_on[name])
            return
        yield from self._named(base)
        for name in names:
            yield from self._named(f"{base}.{name}" if base else name)

    def _named(self, module: str) -> Iterable[str]:
        """Yield the files that a dotted name may refer to, including those of its packages."""
        parts = module.split(".")
        for length in range(1, len(parts) + 1):
            yield from self._by_name.get(".".join(parts[:length]), ())

    @cached_property
    def _by_name(self) -> Mapping[str, tuple[str, ...]]:
        found: dict[str, list[str]] = {}
        for file in self._files:
            parts = list(PurePosixPath(file).with_suffix("").parts)
            if parts[-1] == INIT:
                parts.pop()
            for start in range(len(parts)):
                found.setdefault(".".join(parts[start:]), []).append(file)
        return {name: tuple(files) for name, files in found.items()}

    @cached_property
    def _passed_on(self) -> Mapping[str, str]:
        """The defining module of each name that the facade re-exports."""
        names: dict[str, str] = {}
        for file in self._by_name.get(self._facade, ()) if self._facade else ():
            for node in ast.parse((self._root / file).read_bytes()).body:
                if isinstance(node, ast.ImportFrom) and node.module and not node.level:
                    for alias in node.names:
                        module = f"{node.module}.{alias.name}"
                        names[alias.asname or alias.name] = module if module in self._by_name else node.module
        return names
