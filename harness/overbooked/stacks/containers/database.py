"""The database of a containers stack: PostgreSQL from its image, roles, template and clones."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence

from overbooked.descriptor import Database
from overbooked.stacks.base.health import Probe
from overbooked.stacks.containers.container import ContainerProcess
from overbooked.stacks.containers.site import Site
from overbooked.stacks.servers import database as db
from overbooked.stacks.servers.database import SUPERUSER
from overbooked.stacks.servers.placeholders import direct_dsns

_OPTIONS = ("-c", "fsync=off")

Make = Callable[[str, str, Probe, Sequence[str], Mapping[str, str]], ContainerProcess]
RunOnce = Callable[[str, Sequence[str], Mapping[str, str], Mapping[str, object]], Awaitable[None]]


class ContainerDatabase:
    """One PostgreSQL and the system's database in it.

    Args:
        site: where it stands.
        make: makes a container: name, image, probe, command, environment.
        run_once: runs a command of the service's image to its end: name, command, environment, values.
    """

    def __init__(self, database: Database, *, site: Site, make: Make, run_once: RunOnce) -> None:
        self.credentials = db.Credentials.generated(database)
        self._database = database
        self._site = site
        self._make = make
        self._run_once = run_once

    @property
    def dsns(self) -> dict[str, str]:
        """By role, from here."""
        return direct_dsns(self._database, self.credentials, self._site.reached("postgres"), SUPERUSER)

    @property
    def owner_url(self) -> str:
        """The database as its owner, from another container."""
        return self.credentials.dsn(
            self._database.owner, self._site.in_network("postgres"), self._database.name
        )

    def process(self, image: str, *, max_connections: int) -> ContainerProcess:
        """Its server, which has not been started."""
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
        """Make roles and the migrated template on the server that has started; returns its version.

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
        """A fresh clone of the template in the place of what there is."""
        await db.clone(self._admin_dsn, self._database)

    @property
    def _admin_dsn(self) -> str:
        return self.credentials.dsn(SUPERUSER, self._site.reached("postgres"), "postgres")
