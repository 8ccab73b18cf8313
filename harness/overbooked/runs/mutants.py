"""The mutants that a target can run, as listed by its command."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from overbooked.catalog import Mutant
from overbooked.descriptor import Descriptor, fill_command
from overbooked.errors import ConfigError, UnknownGap
from overbooked.stacks.processes.environment import for_process

# The command only imports the system: about a second, up to half a minute on an overloaded machine.
LIST_TIMEOUT_S = 120.0


def available_mutants(descriptor: Descriptor) -> frozenset[str]:
    """Return the names of the mutants that a target lists; empty if its descriptor has no list.

    Raises:
        ConfigError: its list command fails or prints something other than JSON.
    """
    return frozenset(row["id"] for row in _listed(descriptor))


def also_opens(descriptor: Descriptor) -> dict[tuple[str, str], str]:
    """Return why mutants open clauses beyond those in the catalog, by mutant and clause.

    A target declares it in the rows of its list, as `"also_opens": {"SYS-02.c": "because ..."}`.

    Raises:
        ConfigError: as `available_mutants`.
    """
    return {
        (str(row["id"]), str(clause)): str(why)
        for row in _listed(descriptor)
        for clause, why in dict(row.get("also_opens") or {}).items()
    }


def sources(descriptor: Descriptor) -> dict[str, tuple[Path, ...]]:
    """Return the files that define only one mutant, by its name; absent if the target declares none.

    A target declares them in the rows of its list, as `"source": "mutants/places.py"` or a list of such
    paths, relative to the descriptor's root. No other mutant and no healthy service may load the file.

    Raises:
        ConfigError: as `available_mutants`.
    """
    found: dict[str, tuple[Path, ...]] = {}
    for row in _listed(descriptor):
        said = row.get("source") or ()
        files = (said,) if isinstance(said, str) else tuple(said)
        if files:
            found[row["id"]] = tuple(descriptor.root / str(file) for file in files)
    return found


def _listed(descriptor: Descriptor) -> list[dict[str, Any]]:
    if descriptor.mutants is None:
        return []
    command = fill_command(descriptor.mutants.list, {"python": sys.executable})
    try:
        done = subprocess.run(
            command,
            cwd=descriptor.root,
            env=for_process({}, descriptor.pass_environment),
            capture_output=True,
            text=True,
            timeout=LIST_TIMEOUT_S,
            check=True,
        )
        rows = [row if isinstance(row, dict) else {"id": str(row)} for row in json.loads(done.stdout)]
        return [{**row, "id": str(row["id"])} for row in rows]
    except subprocess.CalledProcessError as error:
        last = (error.stderr or "").strip().splitlines()[-1:]
        raise ConfigError(f"{_what(descriptor, command)} failed: {''.join(last)}") from error
    except (OSError, subprocess.TimeoutExpired, ValueError, KeyError) as error:
        raise ConfigError(f"{_what(descriptor, command)} failed: {error}") from error


def require_mutant(mutant: Mutant, descriptor: Descriptor) -> None:
    """Reject a mutant that the target does not have.

    Raises:
        UnknownGap: the message names the target's mutants of the same gap.
    """
    have = available_mutants(descriptor)
    if mutant.name in have:
        return
    same = sorted(name for name in have if name.rpartition(".")[0] == mutant.gap)
    hint = f"of {mutant.gap} it has {', '.join(same)}" if same else f"it has none of {mutant.gap}"
    raise UnknownGap(f"{descriptor.name} does not have the mutant {mutant.name}; {hint}")


def _what(descriptor: Descriptor, command: list[str]) -> str:
    return f"the descriptor of {descriptor.name}: mutants.list ({' '.join(command)})"
