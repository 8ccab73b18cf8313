"""List the mutants: `python -m reference_system.mutants.list [--json]`."""

from __future__ import annotations

import json
import sys

from reference_system.mutants.listing import listed_mutants


def main(argv: list[str]) -> None:
    """Print one line per mutant, or with `--json` the document that `overbooked` reads."""
    if argv not in ([], ["--json"]):
        sys.exit("usage: python -m reference_system.mutants.list [--json]")
    try:
        mutants = listed_mutants().values()
    except LookupError as error:
        sys.exit(f"mutants: {error}")
    if not argv:
        for one in mutants:
            sys.stdout.write(f"{one.id:<10} {one.harm}\n")
        return
    rows = [
        {
            "id": one.id,
            "gap": one.id.rpartition(".")[0],
            "harm": one.harm,
            "cites": one.cites,
            "changes_schema": one.changes_schema,
            "also_opens": dict(one.also_opens),
            "source": one.source,
        }
        for one in mutants
    ]
    sys.stdout.write(json.dumps(rows, indent=2) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
