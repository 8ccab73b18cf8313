"""`python -m reference_system.migrations upgrade [REVISION] | downgrade REVISION | current`.

`BOOKING_OWNER_URL` is the URL of the database for its owner. Each domain has a branch of revisions of its
own (`pricing_0001`, `pricing_0002` ...), so that several developers can add revisions at the same time: a
revision follows the previous one of its domain, and `depends_on` names those of other domains that it
needs. Without a revision, `upgrade` goes to the heads of all branches.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import psycopg
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

OLD_CHAIN_END = "0005"

USAGE = "usage: python -m reference_system.migrations upgrade [REVISION] | downgrade REVISION | current"


def config(url: str) -> Config:
    """Return Alembic's configuration for the database at `url`, without an ini file."""
    alembic = Config()
    alembic.set_main_option("script_location", str(Path(__file__).parent))
    alembic.attributes["url"] = _for_psycopg(url)
    return alembic


def adopt_old_chain(url: str) -> None:
    """Convert a database of the former single chain of revisions, 0001 to 0005.

    Its schema at 0005 equals the first revisions of all branches, so it is stamped with these.
    """
    with psycopg.connect(_for_libpq(url)) as connection:
        versions = _versions(connection)
    old = [version for version in versions if version.isdigit()]
    if not old:
        return
    if versions != [OLD_CHAIN_END]:
        sys.exit(
            f"migrations: the database is at revision {', '.join(old)} of the former chain; upgrade it to "
            f"{OLD_CHAIN_END} with the version that made it, or start with an empty database"
        )
    alembic = config(url)
    scripts = ScriptDirectory.from_config(alembic).walk_revisions()
    first = {script.revision: script.dependencies for script in scripts if script.down_revision is None}
    # A revision that another one depends on is implied by it.
    implied = {name for needs in first.values() for name in _several(needs)}
    command.stamp(alembic, sorted(first.keys() - implied), purge=True)


def _several(names: str | tuple[str, ...] | list[str] | None) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else tuple(names or ())


def _versions(connection: psycopg.Connection[tuple[str]]) -> list[str]:
    row = connection.execute("SELECT to_regclass('public.alembic_version') IS NOT NULL").fetchone()
    if row is None or not row[0]:
        return []
    return sorted(row[0] for row in connection.execute("SELECT version_num FROM alembic_version"))


def main(argv: list[str]) -> None:
    url = os.environ.get("BOOKING_OWNER_URL")
    if not url:
        sys.exit("migrations: set BOOKING_OWNER_URL to the database as its owner reaches it")
    match argv:
        case ["upgrade"]:
            adopt_old_chain(url)
            command.upgrade(config(url), "heads")
        case ["upgrade", revision]:
            adopt_old_chain(url)
            command.upgrade(config(url), revision)
        case ["downgrade", revision]:
            command.downgrade(config(url), revision)
        case ["current"]:
            command.current(config(url))
        case _:
            sys.exit(USAGE)


def _for_libpq(url: str) -> str:
    return f"postgresql://{_for_psycopg(url).partition('://')[2]}"


def _for_psycopg(url: str) -> str:
    _, separator, rest = url.partition("://")
    if not separator:
        sys.exit(f"migrations: BOOKING_OWNER_URL is no URL: {url!r}")
    return f"postgresql+psycopg://{rest}"


if __name__ == "__main__":
    main(sys.argv[1:])
