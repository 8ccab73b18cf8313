"""Serves the payment provider in this process."""

from __future__ import annotations

import argparse
import gc
import sys
from pathlib import Path

import uvicorn

from reference_system.payment_provider.app import create_app
from reference_system.payment_provider.settings import from_environment


def serve(argv: list[str]) -> None:
    """Serve until a signal arrives; exits with 1 if a setting is missing in the environment."""
    parser = argparse.ArgumentParser(prog="reference_system.payment_provider")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8100)
    parser.add_argument("--data-dir", type=Path, required=True)
    arguments = parser.parse_args(argv)
    try:
        settings = from_environment(arguments.data_dir)
    except KeyError as missing:
        sys.exit(f"provider: set {missing.args[0]}")
    app = create_app(settings)
    gc.freeze()
    gc.enable()
    # Idle connections are kept longer than any pause between two calls of the booking service.
    uvicorn.run(
        app,
        host=arguments.host,
        port=arguments.port,
        log_level="warning",
        access_log=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=2,
        backlog=512,
    )
