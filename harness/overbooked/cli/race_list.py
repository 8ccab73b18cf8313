"""Lists the races of scenarios from their source, for `overbooked race --list`."""

from __future__ import annotations

import ast
import difflib
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import click

from overbooked.catalog import Catalog
from overbooked.config import Settings
from overbooked.errors import UnknownGap, UsageError
from overbooked.runs.written import source_files, written

# The methods that run a race, with the text for the list.
_RUNS = {"explore": "explored", "play": "in bursts"}


@dataclass(frozen=True, slots=True)
class ListedRace:
    """One race of one scenario.

    Args:
        race: the race function's name.
        title: the name given by the scenario; "": the verbs of its actors.
        about: the first line of its docstring.
        actors: the yielded expression, as written.
        scenario: node id of the scenario's function.
        clauses: the names that the scenario is bound to, as written.
        how: `explored` or `in bursts`.
    """

    race: str
    title: str
    about: str
    actors: str
    scenario: str
    clauses: tuple[str, ...]
    how: str


def races_in(settings: Settings, name: str | None) -> list[ListedRace]:
    """Return the races of the scenarios bound to a gap or clause; without a name, to any of the catalog.

    Raises:
        UnknownGap: there is no gap or clause of that name.
    """
    catalog = settings.catalog()
    wanted = {clause.name for clause in catalog.clauses_of([name])} if name else None
    bound = {one.function: one.names for one in written(settings.scenarios, settings.root)}
    found: list[ListedRace] = []
    for file, _ in source_files(settings.scenarios):
        functions = {node.name: node for node in _functions(file)}
        for scenario, names in bound.items():
            path, _, function = scenario.rpartition("::")
            if function not in functions or not file.as_posix().endswith(path):
                continue
            asked = _clauses(catalog, names)  # none for a gap of a catalog that is not loaded
            if not asked or (wanted is not None and not wanted & asked):
                continue
            for race, title, how in _run_in(functions[function]):
                found.append(_listed(race, title, functions, scenario, names, how))
    return found


def _clauses(catalog: Catalog, names: Sequence[str]) -> set[str]:
    try:
        return {clause.name for clause in catalog.clauses_of(names)}
    except UnknownGap:
        return set()


def _functions(file: Path) -> Iterator[ast.AsyncFunctionDef]:
    try:
        tree = ast.parse(file.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return  # collection reports it
    for node in ast.walk(tree):
        if isinstance(node, ast.AsyncFunctionDef):
            yield node


def _run_in(scenario: ast.AsyncFunctionDef) -> Iterator[tuple[str, str, str]]:
    """Yield name, title and kind of each race that a scenario passes to `explore` or `play`."""
    for node in ast.walk(scenario):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args:
            how = _RUNS.get(node.func.attr)
            if how and isinstance(node.args[0], ast.Name):
                given = next((word.value for word in node.keywords if word.arg == "name"), None)
                title = ast.unparse(given).strip("'\"") if given is not None else ""
                yield node.args[0].id, title, how


def _listed(
    race: str,
    title: str,
    functions: Mapping[str, ast.AsyncFunctionDef],
    scenario: str,
    names: tuple[str, ...],
    how: str,
) -> ListedRace:
    function = functions.get(race)
    about = (ast.get_docstring(function) or "").partition("\n")[0] if function else ""
    yields = (
        next((node.value for node in ast.walk(function) if isinstance(node, ast.Yield)), None)
        if function
        else None
    )
    actors = " ".join(ast.unparse(yields).split()) if yields is not None else ""
    return ListedRace(race, title, about, actors.removeprefix("await "), scenario, names, how)


def list_races(settings: Settings, name: str | None, *, race: str, as_json: bool) -> int:
    """Print the races, all or those of one name; no stack is started.

    Raises:
        UsageError: there is no race of that name.
    """
    found = races_in(settings, name)
    if race:
        require_known(race, found)
        found = [one for one in found if race in {one.race, one.title}]
    if as_json:
        json.dump([asdict(one) for one in found], sys.stdout, indent=1)
        sys.stdout.write("\n")
        return 0
    for one in found:
        click.echo(f"{one.title or one.race}  {', '.join(one.clauses)}  {one.how}")
        click.echo(f"    {one.about or '(no description)'}")
        click.echo(f"    actors    {one.actors}")
        click.echo(f"    scenario  {one.scenario}")
    if not found:
        click.echo(f"no scenario of {name or 'this project'} has a race")
    return 0


def require_known(race: str, found: Sequence[ListedRace]) -> None:
    """Reject a race name that no scenario has, with the nearest names.

    A name of several words is accepted: it may be a title made of the verbs of the actors at run time.

    Raises:
        UsageError: no scenario has a race of that name.
    """
    names = list(dict.fromkeys(name for one in found for name in (one.title, one.race) if name))
    if race in names or " " in race:
        return
    near = difflib.get_close_matches(race, names, n=3, cutoff=0.4) or names
    raise UsageError(f"no race is called {race!r}; nearest: {', '.join(near) or 'there is none'}")
