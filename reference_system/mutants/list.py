"""List the mutants: `python -m reference_system.mutants.list [--json]`."""

from __future__ import annotations

import json
import sys

from reference_system.mutants.registry import mutants


def main(argv: list[str]) -> None:
    if argv == ["--json"]:
        rows = [
            {
                "id": m.id,
                "gap": m.gap,
                "harm": m.harm,
                "cites": m.cites,
                "changes_schema": bool(m.schema),
                "also_opens": dict(m.also_opens),
            }
            for m in mutants().values()
        ]
        sys.stdout.write(json.dumps(rows, indent=2) + "\n")
        return
    if argv:
        sys.exit("usage: python -m reference_system.mutants.list [--json]")
    for m in mutants().values():
        sys.stdout.write(f"{m.id:<10} {m.harm}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
