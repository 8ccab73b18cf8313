"""`python -m reference_system.provider --host H --port P --data-dir D`; see `settings` for the rest."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import uvicorn

from reference_system.provider.app import create_app
from reference_system.provider.settings import from_environment


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="reference_system.provider")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8100)
    parser.add_argument("--data-dir", type=Path, required=True)
    arguments = parser.parse_args(argv)
    try:
        settings = from_environment(arguments.data_dir)
    except KeyError as missing:
        sys.exit(f"provider: set {missing.args[0]}")
    # Idle connections outlive any pause between two calls of the booking service.
    uvicorn.run(
        create_app(settings),
        host=arguments.host,
        port=arguments.port,
        log_level="warning",
        access_log=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=2,
        backlog=512,
    )


if __name__ == "__main__":
    main(sys.argv[1:])
