"""The database of a containers stack: the PostgreSQL container, roles, template and clones."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence

from overbooked.descriptor import Database
from overbooked.stacks.base.health import Probe
from overbooked.stacks.containers.container import ContainerProcess
from overbooked.stacks.containers.site import StackNetwork
from overbooked.stacks.servers import database as db
from overbooked.stacks.servers.database import SUPERUSER
from overbooked.stacks.servers.placeholders import direct_dsns

_OPTIONS = ("-c", "fsync=off")

Make = Callable[[str, str, Probe, Sequence[str], Mapping[str, str]], ContainerProcess]
RunOnce = Callable[[str, Sequence[str], Mapping[str, str], Mapping[str, object]], Awaitable[None]]


class ContainerDatabase:
    """One PostgreSQL container with the system's database.

    Args:
        site: the stack's network.
        make: creates a container: name, image, probe, command, environment.
        run_once: runs a command in the service's image to its end: name, command, environment, values.
    """

    def __init__(self, database: Database, *, site: StackNetwork, make: Make, run_once: RunOnce) -> None:
        self.credentials = db.Credentials.generated(database)
        self._database = database
        self._site = site
        self._make = make
        self._run_once = run_once

    @property
    def dsns(self) -> dict[str, str]:
        """Database URLs by role, as the harness reaches the server."""
        return direct_dsns(self._database, self.credentials, self._site.reached("postgres"), SUPERUSER)

    @property
    def owner_url(self) -> str:
        """The owner's database URL, as another container reaches the server."""
        return self.credentials.dsn(
            self._database.owner, self._site.in_network("postgres"), self._database.name
        )

    def process(self, image: str, *, max_connections: int) -> ContainerProcess:
        """Create the server's container without starting it."""
        return self._make(
            "postgres",
            image,
            db.postgres_probe(lambda: self._admin_dsn),
            ["postgres", *_OPTIONS, "-c", f"max_connections={max_connections}"],
            {
                "POSTGRES_USER": SUPERUSER,
                "POSTGRES_PASSWORD": self.credentials.passwords[SUPERUSER],
                "POSTGRES_DB": "postgres",
            },
        )

    async def prepare(self) -> str:
        """Create roles and the migrated template on the running server; return the server's version.

        Raises:
            StackError: the migrations failed.
        """
        version = await db.server_version(self._admin_dsn)
        async with db.connection(self._admin_dsn) as admin:
            await db.create_roles(admin, self._database, self.credentials)
            await db.create_empty(admin, self._database)
        await self._run_once(
            "migrate", self._database.migrate, self._database.migrate_env, {"owner_url": self.owner_url}
        )
        async with db.connection(self._admin_dsn) as admin:
            await db.make_template(admin, self._database)
        return version

    async def renew(self) -> None:
        """Replace the system's database with a fresh clone of the template."""
        await db.clone(self._admin_dsn, self._database)

    @property
    def _admin_dsn(self) -> str:
        return self.credentials.dsn(SUPERUSER, self._site.reached("postgres"), "postgres")
