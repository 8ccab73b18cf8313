"""Which mutants a target can run."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from overbooked.catalog import Mutant
from overbooked.descriptor import Descriptor, fill_command
from overbooked.errors import ConfigError, UnknownGap
from overbooked.stacks.processes.environment import for_process

# It only imports the system, which takes a second, and half a minute where many others want the machine.
LIST_TIMEOUT_S = 120.0


def repertoire(descriptor: Descriptor) -> frozenset[str]:
    """Names of the mutants a target says it has; none when its descriptor describes none.

    Raises:
        ConfigError: its command to list them fails or answers something else than JSON.
    """
    return frozenset(row["id"] for row in _listed(descriptor))


def explanations(descriptor: Descriptor) -> dict[tuple[str, str], str]:
    """Why a mutant opens a clause that the catalog does not say it breaks, by mutant and clause.

    A target says so in the rows of its list, as `"also_opens": {"SYS-02.c": "because ..."}`.

    Raises:
        ConfigError: as `repertoire`.
    """
    return {
        (str(row["id"]), str(clause)): str(why)
        for row in _listed(descriptor)
        for clause, why in dict(row.get("also_opens") or {}).items()
    }


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


def require(mutant: Mutant, descriptor: Descriptor) -> None:
    """Refuse a mutant that the target does not have.

    Raises:
        UnknownGap: naming those of the same gap that it has.
    """
    have = repertoire(descriptor)
    if mutant.name in have:
        return
    same = sorted(name for name in have if name.rpartition(".")[0] == mutant.gap)
    hint = f"of {mutant.gap} it has {', '.join(same)}" if same else f"it has none of {mutant.gap}"
    raise UnknownGap(f"{descriptor.name} does not have the mutant {mutant.name}; {hint}")


def _what(descriptor: Descriptor, command: list[str]) -> str:
    return f"the descriptor of {descriptor.name}: mutants.list ({' '.join(command)})"
