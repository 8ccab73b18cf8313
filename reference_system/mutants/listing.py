"""Lists the mutants of these modules from their source, without importing the service."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import reference_system.mutants as package

_LITERAL = ("id", "harm", "cites", "also_opens")


@dataclass(frozen=True, slots=True)
class ListedMutant:
    """The arguments of one `Mutant(...)`, and the module that defines it."""

    id: str
    harm: str
    module: str
    cites: str = ""
    changes_schema: bool = False
    also_opens: Mapping[str, str] = field(default_factory=dict)

    @property
    def source(self) -> str:
        """The only file that defines it, relative to the parent folder of the package."""
        return f"{self.module.replace('.', '/')}.py"


def listed_mutants() -> dict[str, ListedMutant]:
    """Return every mutant by id, in order of gap and number.

    Raises:
        LookupError: two mutants have the same id, or an argument is not a literal.
    """
    found: dict[str, ListedMutant] = {}
    for module, path in modules_of():
        for one in _mutants_in(module, path):
            if one.id in found:
                raise LookupError(f"two mutants have the id {one.id}: in {found[one.id].module} and {module}")
            found[one.id] = one
    return dict(sorted(found.items(), key=lambda item: _order(item[0])))


def modules_of(gap: str = "*") -> Iterator[tuple[str, Path]]:
    """Yield name and file of the modules with the mutants of a gap (default: of every gap).

    They are in a folder of any name: `hard/hard_01.py` has those of HARD-01.
    """
    for folder in map(Path, package.__path__):
        for path in sorted(folder.glob(f"*/{gap.lower().replace('-', '_')}.py")):
            if not path.name.startswith("_"):
                yield f"{package.__name__}.{path.parent.name}.{path.stem}", path


def _mutants_in(module: str, path: Path) -> Iterator[ListedMutant]:
    for statement in ast.parse(path.read_bytes(), str(path)).body:
        call = statement.value if isinstance(statement, ast.Assign) else None
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "Mutant":
            yield _listed(call, module, path)


def _listed(call: ast.Call, module: str, path: Path) -> ListedMutant:
    given = dict(zip(("id", "harm"), call.args, strict=False))
    given |= {keyword.arg: keyword.value for keyword in call.keywords if keyword.arg}
    try:
        said: dict[str, Any] = {name: ast.literal_eval(given[name]) for name in _LITERAL if name in given}
    except ValueError as error:
        raise LookupError(
            f"{path}:{call.lineno}: Mutant(...) takes literals for {', '.join(_LITERAL)}, "
            "so that mutants can be listed without importing the service"
        ) from error
    return ListedMutant(module=module, changes_schema="schema" in given, **said)


def _order(id_: str) -> tuple[str, int]:
    gap, _, number = id_.rpartition(".")
    return gap, int(number)
