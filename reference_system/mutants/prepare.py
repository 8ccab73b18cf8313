"""Run a mutant's schema changes as the schema's owner.

`BOOKING_OWNER_URL=... python -m reference_system.mutants.prepare SYS-03.1`
"""

from __future__ import annotations

import os
import sys

import psycopg

from reference_system.mutants.registry import mutant
from reference_system.mutants.schema import FINGERPRINT, mark


def main(argv: list[str]) -> None:
    if len(argv) != 1:
        sys.exit("usage: BOOKING_OWNER_URL=... python -m reference_system.mutants.prepare MUTANT")
    url = os.environ.get("BOOKING_OWNER_URL")
    if not url:
        sys.exit("prepare: set BOOKING_OWNER_URL to the database as its owner reaches it")
    try:
        statements = mutant(argv[0]).schema
    except LookupError as error:
        sys.exit(f"mutant {argv[0]}: {error}")
    if not statements:
        return
    with psycopg.connect(url.replace("postgresql+asyncpg://", "postgresql://")) as connection:
        before = _fingerprint(connection)
        for statement in statements:
            connection.execute(statement.encode())
        after = _fingerprint(connection)
        if after == before:
            sys.exit(f"mutant {argv[0]}: its schema change leaves the schema as it was; bring it up to date")
        connection.execute(f"COMMENT ON TABLE alembic_version IS '{mark(argv[0], after)}'".encode())


def _fingerprint(connection: psycopg.Connection[tuple[str]]) -> str:
    row = connection.execute(FINGERPRINT.encode()).fetchone()
    assert row is not None
    return str(row[0])


if __name__ == "__main__":
    main(sys.argv[1:])
