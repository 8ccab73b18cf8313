"""`python -m reference_system.booking --host 127.0.0.1 --port 8000`: serve until told to stop."""

from __future__ import annotations

import argparse
import sys

import uvicorn
from pydantic import ValidationError

from reference_system.booking import logs
from reference_system.booking.app import create_app
from reference_system.booking.settings import Settings


def main(argv: list[str]) -> None:
    """Serve with the settings of the environment; exits 2 when one is missing or wrong."""
    parser = argparse.ArgumentParser(prog="reference_system.booking", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    options = parser.parse_args(argv)
    try:
        settings = Settings()  # type: ignore[call-arg]  # from the environment
    except ValidationError as error:
        for problem in error.errors():
            name = "_".join(str(part) for part in problem["loc"]).upper()
            sys.stderr.write(f"booking: BOOKING_{name.removeprefix('BOOKING_')}: {problem['msg']}\n")
        sys.exit(2)
    logs.configure(settings.log_level)
    uvicorn.run(
        create_app(settings),
        host=options.host,
        port=options.port,
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=5,
    )


if __name__ == "__main__":
    main(sys.argv[1:])
