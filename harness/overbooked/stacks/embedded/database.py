"""The embedded stack's PostgreSQL: a copy of a cached cluster with new passwords, and a clone to work on."""

from __future__ import annotations

import asyncio
import shutil
import signal
import sys
from pathlib import Path

from overbooked.descriptor import Database, Descriptor, fill_command, fill_env
from overbooked.errors import StackError
from overbooked.stacks.base.links import Address
from overbooked.stacks.base.settings import StackSettings
from overbooked.stacks.embedded.clusters import Cluster, ClusterCache
from overbooked.stacks.processes.ownership import Ownership
from overbooked.stacks.processes.process import LocalProcess, ready_at_once
from overbooked.stacks.processes.shared_memory import forget_segment
from overbooked.stacks.servers import database as db
from overbooked.stacks.servers.binaries import PostgresPrograms, prepare_postgres
from overbooked.stacks.servers.postgres_server import postgres_process

_MAINTENANCE = "postgres"


class EmbeddedDatabase:
    """PostgreSQL in one stack's folder. Call `prepare`, `start`, then `renew` any number of times.

    Args:
        cache: the folder that is kept between runs.
        port: a leased port.
    """

    def __init__(
        self,
        descriptor: Descriptor,
        database: Database,
        settings: StackSettings,
        *,
        cache: Path,
        ownership: Ownership,
        port: int,
    ) -> None:
        self.address: Address = ("127.0.0.1", port)
        self.credentials = db.Credentials.generated(database)
        self.process: LocalProcess | None = None
        self._descriptor = descriptor
        self._database = database
        self._settings = settings
        self._cache = cache
        self._ownership = ownership
        self._data = ownership.directory / "postgres"
        self._password = ""  # the superuser's cached password, until it is renewed
        self._migrated = False

    @property
    def admin_dsn(self) -> str:
        """The superuser's URL of the maintenance database."""
        credentials = self.credentials
        if self._password:
            credentials = db.Credentials({**credentials.passwords, db.SUPERUSER: self._password})
        return credentials.dsn(db.SUPERUSER, self.address, _MAINTENANCE)

    async def prepare(self) -> None:
        """Create the data directory; without a cached cluster, run initdb and the migrations.

        Raises:
            StackError: initdb, the migrations or the copy failed.
        """
        programs = await asyncio.to_thread(prepare_postgres, self._settings, self._cache)
        kept = ClusterCache(self._cache / "clusters", programs)
        key = kept.migrated_key(self._descriptor)
        async with kept.lock:
            cluster = kept.find(key) if key else None
            if cluster is None:
                cluster = await kept.fresh()
                if key:
                    cluster = await self._make_migrated(kept, programs, cluster, key)
            await kept.copy(cluster, self._data)
        self._migrated = key is not None
        self._password = cluster.password
        self.process = self._postmaster(programs, self._data)

    async def start(self) -> str:
        """Start the server on the prepared directory and clone the template; return the server's version.

        Raises:
            StackError: the server does not start, or the migrations fail.
        """
        assert self.process is not None
        await self.process.start()
        if not self._migrated:
            await self._migrate()
        await db.renew_passwords(self.admin_dsn, self.credentials)
        self._password = ""
        await self.renew()
        return await db.server_version(self.admin_dsn)

    async def renew(self) -> None:
        """Replace the system's database with a fresh clone of the migrated template."""
        await db.clone(self.admin_dsn, self._database)

    def forget(self) -> None:
        """Remove the shared memory that a killed postmaster left in the kernel."""
        forget_segment(self._data)

    def _postmaster(self, programs: PostgresPrograms, data: Path) -> LocalProcess:
        return postgres_process(
            programs,
            data,
            port=self.address[1],
            admin_dsn=lambda: self.admin_dsn,
            ownership=self._ownership,
            log=self._ownership.directory / "logs" / "postgres.log",
            timeout_s=self._settings.health_timeout_s,
            max_connections=self._settings.max_connections,
        )

    async def _make_migrated(
        self, kept: ClusterCache, programs: PostgresPrograms, fresh: Cluster, key: str
    ) -> Cluster:
        draft = kept.draft()
        data = draft / "data"
        await kept.copy(fresh, data)
        self._password = fresh.password
        server = self._postmaster(programs, data)
        try:
            await server.start()
            await self._migrate()
            # Shut down cleanly, so that a copy starts without crash recovery.
            server.stop(signal.SIGINT)
        except BaseException:
            server.kill()
            forget_segment(data)
            shutil.rmtree(draft, ignore_errors=True)
            raise
        return kept.keep(draft, key, fresh.password)

    async def _migrate(self) -> None:
        database = self._database
        async with db.connection(self.admin_dsn) as admin:
            await db.create_roles(admin, database, self.credentials)
            await db.create_empty(admin, database)
        owner_url = self.credentials.dsn(database.owner, self.address, database.name)
        values = {"python": sys.executable, "owner_url": owner_url}
        migration = LocalProcess(
            "migrate",
            fill_command(database.migrate, values),
            env=fill_env(database.migrate_env, values),
            passed_on=self._descriptor.pass_environment,
            ownership=self._ownership,
            log=self._ownership.directory / "logs" / "migrate.log",
            probe=ready_at_once,
            timeout_s=self._settings.migrate_timeout_s,
            directory=self._descriptor.root,
        )
        try:
            await migration.run()
        except StackError as error:
            raise StackError(
                f"the migrations of {self._descriptor.name} failed: {error}", part="migrate", log=error.log
            ) from error
        async with db.connection(self.admin_dsn) as admin:
            await db.make_template(admin, database)
