"""Finds the journeys that can be swept in the source of the scenarios, without running them."""

from __future__ import annotations

import ast
import difflib
import importlib
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from overbooked.errors import UsageError
from overbooked.fault_points.registry import MakeJourney, registered
from overbooked.runs.written import source_files, written

DECORATOR = "swept"
_USES = f"{DECORATOR}(".encode()


@dataclass(frozen=True, slots=True)
class SweptJourney:
    """A journey that the file of a scenario registers.

    Args:
        name: the name of the journey.
        gaps: the gaps whose names also select it.
        file: the file of the scenario.
        scenario: the node id of the scenario's function that sweeps it, without parameters; "" if the
            file has none.
    """

    name: str
    gaps: tuple[str, ...]
    file: Path
    scenario: str

    def load(self) -> MakeJourney:
        """Import the scenario's file and return the function that makes the journey for a system.

        Raises:
            UsageError: the file cannot be imported.
        """
        journeys = registered(vars(_imported(self.file)).values())
        if self.name not in journeys:
            raise UsageError(f"{self.file} no longer registers the journey {self.name!r}")
        return journeys[self.name]


def swept_journeys(paths: Sequence[Path], root: Path) -> Mapping[str, SweptJourney]:
    """Return every journey that a function in these files and folders registers, by name.

    Args:
        paths: folders or files of scenarios.
        root: node ids are relative to it.

    Raises:
        UsageError: a name is not a plain string, or two files register the same name.
    """
    found: dict[str, SweptJourney] = {}
    for file, _ in source_files(paths):
        for one in _registered_in(file, root):
            if one.name in found:
                raise UsageError(
                    f"the journey {one.name!r} is registered twice: in {found[one.name].file} and in {file}"
                )
            found[one.name] = one
    return found


def find_journeys(name: str, journeys: Mapping[str, SweptJourney]) -> Sequence[SweptJourney]:
    """Return the journey of this name, or the journeys of this gap or clause.

    Raises:
        UsageError: there is none; the message names the nearest.
    """
    if name in journeys:
        return (journeys[name],)
    gap = name.upper().partition(".")[0]
    if of_gap := [one for one in journeys.values() if gap in one.gaps]:
        return of_gap
    gaps = list(dict.fromkeys(gap for one in journeys.values() for gap in one.gaps))
    near = difflib.get_close_matches(name, [*journeys, *gaps], n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    there = f"journeys: {', '.join(journeys)}; gaps: {', '.join(gaps)}" if journeys else "no journey at all"
    raise UsageError(f"no journey {name!r} to sweep{hint} (the scenarios register {there})")


def _registered_in(file: Path, root: Path) -> Iterator[SweptJourney]:
    try:
        source = file.read_bytes()
        body = ast.parse(source).body if _USES in source else []
    except (OSError, SyntaxError, ValueError):
        return  # collection reports the error
    scenarios = [one.function for one in written([file], root)] if body else []
    for node in body:
        if isinstance(node, ast.FunctionDef):
            for names in _names(node, file):
                yield SweptJourney(names[0], names[1:], file, _scenario_of(node.name, body, scenarios))


def _names(node: ast.FunctionDef, file: Path) -> Iterator[tuple[str, ...]]:
    for decorator in node.decorator_list:
        if not isinstance(decorator, ast.Call):
            continue
        if ast.unparse(decorator.func).rpartition(".")[2] != DECORATOR:
            continue
        names = [one.value if isinstance(one, ast.Constant) else None for one in decorator.args]
        texts = tuple(name for name in names if isinstance(name, str))
        if not texts or len(texts) != len(decorator.args):
            raise UsageError(
                f"{file}, line {decorator.lineno}: expected names as plain strings, e.g. "
                f'@swept("checkout", "SYS-01"), found {ast.unparse(decorator)}'
            )
        yield texts


def _scenario_of(function: str, body: Sequence[ast.stmt], scenarios: Sequence[str]) -> str:
    """Return the first scenario of the file that mentions the function, else the first of all."""
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name != function:
            mentioned = {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}
            for scenario in scenarios:
                if function in mentioned and scenario.partition("::")[2] == node.name:
                    return scenario
    return scenarios[0] if scenarios else ""


def _imported(file: Path) -> object:
    """Import a file as pytest does: as a module of the packages that it is in."""
    top = file.parent
    while (top / "__init__.py").exists():
        top = top.parent
    name = ".".join(file.relative_to(top).with_suffix("").parts)
    if str(top) not in sys.path:
        sys.path.insert(0, str(top))
    try:
        module = importlib.import_module(name)
    except Exception as error:
        raise UsageError(f"{file} cannot be imported: {type(error).__name__}: {error}") from error
    if Path(str(module.__file__)).resolve() != file.resolve():
        raise UsageError(
            f"{file} cannot be imported: {module.__file__} is imported under the same name, {name}; "
            "rename one of them"
        )
    return module
