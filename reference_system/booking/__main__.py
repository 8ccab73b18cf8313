"""`python -m reference_system.booking --host 127.0.0.1 --port 8000`: serve until a signal stops it."""

from __future__ import annotations

import gc
import sys


def main(argv: list[str]) -> None:
    """Serve with the settings of the environment; exits 2 when one is missing or wrong."""
    # Start-up creates hardly any garbage, and collection would take a sixth of its time.
    gc.disable()
    from reference_system.booking.platform.server import serve  # noqa: PLC0415 - after that

    serve(argv)


if __name__ == "__main__":
    main(sys.argv[1:])
