"""Serve the booking service with one mutant in it.

`python -m reference_system.mutants.serve SYS-03.1 --host 127.0.0.1 --port 8000`
"""

from __future__ import annotations

import gc
import sys

from reference_system.mutants.mutant import MutantStale
from reference_system.mutants.registry import mutant


def main(argv: list[str]) -> None:
    if not argv or argv[0].startswith("-"):
        sys.exit(
            "usage: python -m reference_system.mutants.serve MUTANT [options of reference_system.booking]"
        )
    gc.disable()  # as at the start of the healthy service
    try:
        receipts = mutant(argv[0]).apply()
    except (LookupError, MutantStale) as error:
        sys.exit(f"mutant {argv[0]}: {error}")
    from reference_system.booking.control.routes import router  # noqa: PLC0415 - after the substitution
    from reference_system.booking.platform.server import serve  # noqa: PLC0415

    router.add_api_route("/mutant", receipts.read, methods=["GET"])

    serve(argv[1:])


if __name__ == "__main__":
    main(sys.argv[1:])
