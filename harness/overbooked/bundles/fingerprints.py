"""What a replay bundle fits: fingerprints of the scenario, the catalog's sentences and the migrations.

They are taken when a bundle is made and before it is replayed, without starting anything. A fingerprint
of code is one of its meaning: comments and layout do not change it.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator
from pathlib import Path

from overbooked.bundles.schema import Bundle, Fits
from overbooked.catalog import Catalog
from overbooked.descriptor import Descriptor
from overbooked.errors import HarnessError

_DIGITS = 16


class NoLongerFits(HarnessError):
    """A bundle was made of a system or a scenario that is another now."""


def fits_of(
    scenario: str, clause: str, mutant: str | None, *, root: Path, catalog: Catalog, descriptor: Descriptor
) -> Fits:
    """What a bundle of a scenario would fit now.

    Args:
        scenario: its node id; "" where there is none.
        clause: full name; "" where there is none.
        mutant: the mutant it met.
        root: what node ids are relative to.
    """
    return Fits(
        target=descriptor.name,
        scenario=scenario_fingerprint(scenario, root),
        catalog=catalog_fingerprint(clause, mutant, catalog),
        migrations=migrations_fingerprint(descriptor),
    )


def misfits(bundle: Bundle, now: Fits) -> list[str]:
    """What no longer fits, one sentence each; empty when everything does."""
    then = bundle.fits
    if then.target != now.target:
        return [f"it was made of {then.target}, and overbooked.toml names {now.target}"]
    found = []
    if then.scenario and not now.scenario:
        found.append(f"there is no scenario {bundle.scenario} any more")
    elif then.scenario != now.scenario and then.scenario:
        found.append(f"the scenario {bundle.scenario} has changed")
    if then.catalog and then.catalog != now.catalog:
        found.append(f"the catalog says something else of {bundle.clause} or of its mutant")
    if then.migrations and then.migrations != now.migrations:
        found.append("the migrations have changed")
    return found


def scenario_fingerprint(scenario: str, root: Path) -> str:
    """Of the scenario's function; "" when there is none of that name."""
    file, _, rest = scenario.partition("::")
    names = rest.partition("[")[0].split("::")
    try:
        scope: list[ast.stmt] = ast.parse((root / file).read_bytes()).body
    except (OSError, SyntaxError, ValueError):
        return ""
    found: ast.AST | None = None
    for name in names:
        found = next((node for node in scope if getattr(node, "name", None) == name), None)
        if found is None:
            return ""
        scope = getattr(found, "body", [])
    return _digest(ast.dump(found)) if found is not None else ""


def catalog_fingerprint(clause: str, mutant: str | None, catalog: Catalog) -> str:
    """Of the clause's sentence and, where there is one, the mutant's; "" when either is unknown."""
    try:
        said = [one.text for one in catalog.clauses_of([clause])]
        if mutant is not None:
            said.append(catalog.mutant(mutant).text)
    except HarnessError:
        return ""
    return _digest(*said)


def migrations_fingerprint(descriptor: Descriptor) -> str:
    """Of the files that the descriptor names as migrations; "" when it names none."""
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
