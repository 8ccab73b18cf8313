"""`python -m reference_system.payment_provider --host H --port P --data-dir D`; see also `settings`."""

from __future__ import annotations

import gc
import sys


def main(argv: list[str]) -> None:
    """Serve with the settings of the environment."""
    # Start-up creates hardly any garbage, and collection would take a sixth of its time.
    gc.disable()
    from reference_system.payment_provider.serving import serve  # noqa: PLC0415 - after that

    serve(argv)


if __name__ == "__main__":
    main(sys.argv[1:])
