"""Serves the booking service in this process."""

from __future__ import annotations

import argparse
import gc
import sys

import uvicorn
from pydantic import ValidationError

from reference_system.booking.platform import logs
from reference_system.booking.platform.app import create_app
from reference_system.booking.platform.settings import Settings


def serve(argv: list[str]) -> None:
    """Serve with the settings of the environment; exits with 2 if one is missing or wrong."""
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
    app = create_app(settings)
    # Excludes the loaded modules from garbage collection; see `__main__`.
    gc.freeze()
    gc.enable()
    uvicorn.run(
        app,
        host=options.host,
        port=options.port,
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=5,
    )
