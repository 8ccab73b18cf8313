"""A PostgreSQL with the service's schema, and a Redis, for tests of the reference system alone."""

from __future__ import annotations

import secrets
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from overbooked.descriptor import Descriptor, load
from overbooked.stacks.base.paths import places
from overbooked.stacks.base.settings import StackSettings
from overbooked.stacks.embedded.database import EmbeddedDatabase
from overbooked.stacks.processes import atexit_guard as guard
from overbooked.stacks.processes.ownership import Ownership, sweep
from overbooked.stacks.processes.ports import PortLeases
from overbooked.stacks.processes.process import LocalProcess
from overbooked.stacks.servers import binaries
from overbooked.stacks.servers.database import SUPERUSER
from overbooked.stacks.servers.placeholders import direct_dsns
from overbooked.stacks.servers.redis_server import redis_process

DESCRIPTOR = Path(__file__).parents[2] / "reference_system" / "target" / "system.toml"


@dataclass(frozen=True, slots=True)
class Servers:
    """The addresses of the servers: `dsns` by role ("owner", "app", "observer", "admin")."""

    dsns: dict[str, str]
    redis_url: str
    postgres: LocalProcess
    redis: LocalProcess


@asynccontextmanager
async def started() -> AsyncIterator[Servers]:
    """Both servers, from the harness's embedded stack, with a fresh clone of the migrated database."""
    settings = StackSettings()
    descriptor: Descriptor = load(DESCRIPTOR)
    assert descriptor.database is not None
    where = places(settings)
    sweep(where.stacks)
    ownership = Ownership.found(where.stacks)
    leases = PortLeases()
    parts: list[LocalProcess] = []
    database = EmbeddedDatabase(
        descriptor,
        descriptor.database,
        settings,
        cache=where.cache,
        ownership=ownership,
        port=leases.take("postgres"),
    )

    def dispose() -> None:
        for part in parts:
            part.stop(signal.SIGQUIT) if part.name == "postgres" else part.kill()
        database.forget()
        leases.release()
        ownership.remove()

    guard.protect(ownership.id, dispose)
    try:
        password = secrets.token_hex(8)
        redis_port = leases.take("redis")
        redis = redis_process(
            binaries.find_redis(settings),
            ownership.directory / "redis",
            port=redis_port,
            password=password,
            ownership=ownership,
            log=ownership.directory / "redis.log",
            timeout_s=30,
        )
        await database.prepare()
        assert database.process is not None
        parts += [database.process, redis]
        await database.start()
        await redis.start()
        yield Servers(
            direct_dsns(descriptor.database, database.credentials, database.address, SUPERUSER),
            f"redis://:{password}@127.0.0.1:{redis_port}/0",
            database.process,
            redis,
        )
    finally:
        dispose()
        guard.unprotect(ownership.id)
