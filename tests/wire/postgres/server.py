"""A PostgreSQL of its own for tests of the gate: loopback, a superuser with SCRAM, one with md5."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from overbooked.stacks.base.paths import places
from overbooked.stacks.base.settings import StackSettings
from overbooked.stacks.embedded.clusters import ClusterCache
from overbooked.stacks.processes.shared_memory import forget_segment
from overbooked.stacks.servers.binaries import PostgresPrograms, prepare_postgres
from overbooked.stacks.servers.database import SUPERUSER

START_TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True)
class PostgresServer:
    """Where it listens, and its users: the superuser by SCRAM, `hashed` by md5, password `hashed`."""

    address: tuple[str, int]
    password: str
    user: str = SUPERUSER
    database: str = "postgres"

    def dsn(self, address: tuple[str, int] | None = None, *, user: str = "", password: str = "") -> str:
        """Its URL, at another address where one is given (a link's)."""
        host, port = address or self.address
        who = f"{user or self.user}:{password or self.password}"
        return f"postgresql://{who}@{host}:{port}/{self.database}"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class _Postmaster:
    """The server's folder and process."""

    def __init__(self) -> None:
        self.ground = Path(tempfile.mkdtemp(prefix="overbooked-wire-"))
        self.ground.chmod(0o755)
        self.data = self.ground / "data"
        self.port = _free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, programs: PostgresPrograms) -> None:
        hba = self.data / "pg_hba.conf"
        hba.write_text("host all hashed 127.0.0.1/32 md5\n" + hba.read_text())
        settings = [
            "listen_addresses=127.0.0.1",
            "unix_socket_directories=",
            "fsync=off",
            "lc_messages=C",
            "dynamic_shared_memory_type=mmap",
            "max_prepared_transactions=5",
        ]
        command = [str(programs.postgres), "-D", str(self.data), "-p", str(self.port)]
        for setting in settings:
            command += ["-c", setting]
        account = programs.account
        with (self.ground / "log").open("wb") as log:
            self._process = subprocess.Popen(
                command,
                stdout=log,
                stderr=log,
                cwd=self.data,
                user=account.uid if account else None,
                group=account.gid if account else None,
            )

    def stop(self) -> None:
        if self._process is not None:
            # At once, children and shared memory included.
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(10)
            forget_segment(self.data)
        shutil.rmtree(self.ground, ignore_errors=True)


@asynccontextmanager
async def postgres_server() -> AsyncIterator[PostgresServer]:
    """Start one on a copy of the kept cluster; it goes at the end."""
    settings = StackSettings()
    cache = places(settings).cache
    programs = await asyncio.to_thread(prepare_postgres, settings, cache)
    clusters = ClusterCache(cache / "clusters", programs)
    postmaster = _Postmaster()
    try:
        async with clusters.lock:
            cluster = await clusters.fresh()
            await clusters.copy(cluster, postmaster.data)
        postmaster.start(programs)
        server = PostgresServer(("127.0.0.1", postmaster.port), cluster.password)
        async with asyncio.timeout(START_TIMEOUT_S):
            await _ready(server)
        yield server
    finally:
        postmaster.stop()


async def _ready(server: PostgresServer) -> None:
    while True:
        with contextlib.suppress(OSError, asyncpg.CannotConnectNowError):
            connection = await asyncpg.connect(server.dsn(), ssl=False)
            try:
                await connection.execute(
                    "SET password_encryption = md5; CREATE ROLE hashed LOGIN PASSWORD 'hashed'"
                )
                return
            finally:
                await connection.close()
        await asyncio.sleep(0.05)
