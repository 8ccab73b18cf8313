"""The database of a stack: roles, migrated template, clones. Requires PostgreSQL 15 or newer."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import quote

import asyncpg

from overbooked.descriptor import Database
from overbooked.errors import StackError
from overbooked.stacks.base.health import Probe

SUPERUSER = "overbooked"
# Every client connection repeats these iterations; generated passwords on loopback need no more.
_SCRAM_ITERATIONS = 256
_FAILURES = (
    OSError,
    TimeoutError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)
_CONNECT_TIMEOUT_S = 5.0
_COMMAND_TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True)
class Credentials:
    """Generated passwords by role name."""

    passwords: Mapping[str, str]

    @classmethod
    def generated(cls, database: Database) -> Credentials:
        """Generate passwords for the superuser and the three roles of the descriptor."""
        names = (SUPERUSER, database.owner, database.app, database.observer)
        return cls({name: secrets.token_hex(16) for name in names})

    def dsn(self, role: str, address: tuple[str, int], database: str) -> str:
        """The URL of a database for a role, at an address (a link's or the server's own)."""
        host, port = address
        return f"postgresql://{quote(role)}:{quote(self.passwords[role])}@{host}:{port}/{quote(database)}"


def scram_verifier(password: str, *, iterations: int = _SCRAM_ITERATIONS) -> str:
    """Compute a SCRAM verifier (RFC 5803), which PostgreSQL accepts and stores instead of the password."""
    salt = secrets.token_bytes(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode("ascii"), salt, iterations)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    salt64, stored64, server64 = (base64.b64encode(part).decode("ascii") for part in (salt, stored, server))
    return f"SCRAM-SHA-256${iterations}:{salt64}${stored64}:{server64}"


@asynccontextmanager
async def connection(dsn: str) -> AsyncIterator[asyncpg.Connection]:
    """Open a short-lived connection.

    Raises:
        StackError: the server refused the connection, or a statement failed.
    """
    try:
        opened = await asyncpg.connect(
            dsn, timeout=_CONNECT_TIMEOUT_S, command_timeout=_COMMAND_TIMEOUT_S, ssl=False
        )
    except _FAILURES as error:
        raise StackError(f"PostgreSQL refused the connection: {_said(error)}", part="postgres") from error
    try:
        yield opened
    except _FAILURES as error:
        raise StackError(f"PostgreSQL refused: {_said(error)}", part="postgres") from error
    finally:
        opened.terminate()


def postgres_probe(dsn: Callable[[], str]) -> Probe:
    """Create a probe: ready when the role of the DSN can connect, i.e. when crash recovery is complete."""

    async def probe() -> str:
        try:
            async with connection(dsn()):
                return ""
        except StackError as error:
            return str(error)

    return probe


def template_name(database: Database) -> str:
    return f"{database.name}_template"


async def create_roles(admin: asyncpg.Connection, database: Database, credentials: Credentials) -> None:
    """Create or alter the roles, of which several may be the same.

    The observer can read everything, independent of the grants in the migrations.
    """
    known = {row["rolname"] for row in await admin.fetch("SELECT rolname FROM pg_roles")}
    for role in dict.fromkeys((database.owner, database.app, database.observer)):
        verb = "ALTER" if role in known else "CREATE"
        verifier = scram_verifier(credentials.passwords[role])
        await admin.execute(f"{verb} ROLE {_name(role)} LOGIN NOSUPERUSER PASSWORD '{verifier}'")
    await admin.execute(f"GRANT pg_read_all_data, pg_monitor TO {_name(database.observer)}")


async def renew_passwords(dsn: str, credentials: Credentials) -> None:
    """Set every role's password to that of this stack."""
    async with connection(dsn) as admin:
        await admin.execute(
            ";".join(
                f"ALTER ROLE {_name(role)} PASSWORD '{scram_verifier(password)}'"
                for role, password in credentials.passwords.items()
            )
        )


async def create_empty(admin: asyncpg.Connection, database: Database) -> None:
    """Create an empty database for the migrations, with its run-time name and owner."""
    for name in (template_name(database), database.name):
        await admin.execute(f"DROP DATABASE IF EXISTS {_name(name)} WITH (FORCE)")
    await admin.execute(f"CREATE DATABASE {_name(database.name)} OWNER {_name(database.owner)}")


async def make_template(admin: asyncpg.Connection, database: Database) -> None:
    """Rename the migrated database to the template and forbid connections, as cloning requires."""
    template = template_name(database)
    await admin.execute(f"ALTER DATABASE {_name(database.name)} ALLOW_CONNECTIONS false")
    await admin.execute(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = $1", database.name
    )
    await admin.execute(f"ALTER DATABASE {_name(database.name)} RENAME TO {_name(template)}")


# CREATE DATABASE ... TEMPLATE copies neither grants on the database itself nor ALTER DATABASE ... SET.
_GRANTS = """
UPDATE pg_database SET datacl = template.datacl FROM pg_database template
WHERE pg_database.datname = $1 AND template.datname = $2 AND template.datacl IS NOT NULL
"""
_SETTINGS = """
INSERT INTO pg_db_role_setting SELECT clone.oid, set.setrole, set.setconfig
FROM pg_db_role_setting set
JOIN pg_database template ON template.oid = set.setdatabase AND template.datname = $2
JOIN pg_database clone ON clone.datname = $1
"""


async def clone(dsn: str, database: Database) -> None:
    """Replace the system's database with a fresh clone of the template; its connections are terminated.

    Grants on the database itself and its settings, which cloning omits, are copied from the template.
    """
    async with connection(dsn) as admin:
        await admin.execute(f"DROP DATABASE IF EXISTS {_name(database.name)} WITH (FORCE)")
        await admin.execute(
            f"CREATE DATABASE {_name(database.name)} TEMPLATE {_name(template_name(database))} "
            f"OWNER {_name(database.owner)}"
        )
        for statement in (_GRANTS, _SETTINGS):
            await admin.execute(statement, database.name, template_name(database))


async def server_version(dsn: str) -> str:
    """The server's version, e.g. `18.6`."""
    async with connection(dsn) as admin:
        return str(await admin.fetchval("SHOW server_version")).split()[0]


def _said(error: Exception) -> str:
    return str(error) or type(error).__name__


def _name(identifier: str) -> str:
    return '"' + identifier.replace('"', '""') + '"'
