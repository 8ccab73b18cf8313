"""Fingerprints of the dependencies of a bundle: the scenario, the catalog's texts and the migrations.

They are computed when a bundle is made and before it is replayed, without starting a system. A fingerprint of
code is computed from its syntax tree, so comments and layout do not change it.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator
from pathlib import Path

from overbooked.bundles.schema import Bundle, Fingerprints
from overbooked.catalog import Catalog
from overbooked.descriptor import Descriptor
from overbooked.errors import HarnessError

_DIGITS = 16


class BundleOutdated(HarnessError):
    """A bundle was made with a system or a scenario that has changed."""


def fingerprints_of(
    scenario: str, clause: str, mutant: str | None, *, root: Path, catalog: Catalog, descriptor: Descriptor
) -> Fingerprints:
    """Return the current fingerprints for a bundle of a scenario.

    Args:
        scenario: its node id; "" if there is none.
        clause: its full name; "" if there is none.
        mutant: id of the active mutant; None: none.
        root: the folder to which node ids are relative.
    """
    return Fingerprints(
        target=descriptor.name,
        scenario=scenario_fingerprint(scenario, root),
        catalog=catalog_fingerprint(clause, mutant, catalog),
        migrations=migrations_fingerprint(descriptor),
    )


def mismatches(bundle: Bundle, now: Fingerprints) -> list[str]:
    """Return what has changed since the bundle was made, one sentence each; empty if nothing has."""
    then = bundle.fits
    if then.target != now.target:
        return [f"it was made with {then.target}, and overbooked.toml names {now.target}"]
    found = []
    if then.scenario and not now.scenario:
        found.append(f"the scenario {bundle.scenario} no longer exists")
    elif then.scenario and not _same_scenario(then.scenario, now.scenario):
        found.append(f"the scenario {bundle.scenario} has changed")
    if then.catalog and then.catalog != now.catalog:
        found.append(f"the catalog's text of {bundle.clause} or of its mutant has changed")
    if then.migrations and then.migrations != now.migrations:
        found.append("the migrations have changed")
    return found


def scenario_fingerprint(scenario: str, root: Path) -> str:
    """Return the fingerprint of a scenario's function and of the functions of its file that it uses.

    It is "" if there is no function of that name. The digest of the other functions follows a `+`; it is
    missing if there are none, and in bundles of an earlier version.
    """
    file, _, rest = scenario.partition("::")
    names = rest.partition("[")[0].split("::")
    try:
        module: list[ast.stmt] = ast.parse((root / file).read_bytes()).body
    except (OSError, SyntaxError, ValueError):
        return ""
    found: ast.AST | None = None
    scope = module
    for name in names:
        found = next((node for node in scope if getattr(node, "name", None) == name), None)
        if found is None:
            return ""
        scope = getattr(found, "body", [])
    if found is None:
        return ""
    used = _used(found, module)
    own = _digest(ast.dump(found))
    return f"{own}+{_digest(*map(ast.dump, used))}" if used else own


def _used(found: ast.AST, module: list[ast.stmt]) -> list[ast.stmt]:
    """Return the functions of a module that a function uses, directly or not, in the order of the module."""
    functions = {
        node.name: node for node in module if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    used: set[str] = set()
    ahead = [found]
    while ahead:
        for node in ast.walk(ahead.pop()):
            if isinstance(node, ast.Name) and node.id in functions and node.id not in used:
                used.add(node.id)
                ahead.append(functions[node.id])
    return [node for name, node in functions.items() if name in used and node is not found]


def _same_scenario(then: str, now: str) -> bool:
    return then == (now if "+" in then else now.partition("+")[0])


def catalog_fingerprint(clause: str, mutant: str | None, catalog: Catalog) -> str:
    """Return the fingerprint of the texts of the clause and the mutant; "" if either is unknown."""
    try:
        said = [one.text for one in catalog.clauses_of([clause])]
        if mutant is not None:
            said.append(catalog.mutant(mutant).text)
    except HarnessError:
        return ""
    return _digest(*said)


def migrations_fingerprint(descriptor: Descriptor) -> str:
    """Return the fingerprint of the descriptor's migrations; "" if there are none."""
    database = descriptor.database
    if database is None or not database.migrations:
        return ""
    return _digest(*_contents(descriptor.root, database.migrations))


def _contents(root: Path, paths: tuple[str, ...]) -> Iterator[str]:
    for path in paths:
        top = root / path
        for file in sorted(p for p in (top, *top.rglob("*")) if p.is_file() and p.suffix != ".pyc"):
            yield f"{file.relative_to(root)} {hashlib.sha256(file.read_bytes()).hexdigest()}"


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:_DIGITS]
