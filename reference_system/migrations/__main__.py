"""`python -m reference_system.migrations upgrade [REVISION] | downgrade REVISION | current`.

The database is named by `BOOKING_OWNER_URL`, as its owner reaches it.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from alembic import command
from alembic.config import Config

USAGE = "usage: python -m reference_system.migrations upgrade [REVISION] | downgrade REVISION | current"


def config(url: str) -> Config:
    """Alembic's configuration for the database at `url`, without an ini file."""
    alembic = Config()
    alembic.set_main_option("script_location", str(Path(__file__).parent))
    alembic.attributes["url"] = _for_psycopg(url)
    return alembic


def main(argv: list[str]) -> None:
    url = os.environ.get("BOOKING_OWNER_URL")
    if not url:
        sys.exit("migrations: set BOOKING_OWNER_URL to the database as its owner reaches it")
    match argv:
        case ["upgrade"]:
            command.upgrade(config(url), "head")
        case ["upgrade", revision]:
            command.upgrade(config(url), revision)
        case ["downgrade", revision]:
            command.downgrade(config(url), revision)
        case ["current"]:
            command.current(config(url))
        case _:
            sys.exit(USAGE)


def _for_psycopg(url: str) -> str:
    _, separator, rest = url.partition("://")
    if not separator:
        sys.exit(f"migrations: BOOKING_OWNER_URL is no URL: {url!r}")
    return f"postgresql+psycopg://{rest}"


if __name__ == "__main__":
    main(sys.argv[1:])
