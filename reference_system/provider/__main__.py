"""`python -m reference_system.provider --host H --port P --data-dir D`; see `settings` for the rest."""

from __future__ import annotations

import gc
import sys


def main(argv: list[str]) -> None:
    """Serve with the settings of the environment."""
    # Nothing that a start loads is garbage, and to look for some takes a sixth of it.
    gc.disable()
    from reference_system.provider.serving import serve  # noqa: PLC0415 - after that

    serve(argv)


if __name__ == "__main__":
    main(sys.argv[1:])
