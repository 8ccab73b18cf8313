"""PostgreSQL as a child process: on loopback TCP with SCRAM; fsync is the only guarantee turned off."""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping
from pathlib import Path

from overbooked.stacks.processes.ownership import Ownership
from overbooked.stacks.processes.process import LocalProcess
from overbooked.stacks.servers.binaries import PostgresPrograms
from overbooked.stacks.servers.database import postgres_probe

# With synchronous_commit=off a SIGKILL loses acknowledged rows; with fsync=off it loses none.
_SETTINGS: Mapping[str, str] = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "fsync": "off",
    # In the data directory instead of /dev/shm, so that it is removed with the directory.
    "dynamic_shared_memory_type": "mmap",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "lc_messages": "C",
    "logging_collector": "off",
    "log_line_prefix": "%m [%p] %u@%d ",
}


def postgres_process(
    programs: PostgresPrograms,
    data: Path,
    *,
    port: int,
    admin_dsn: Callable[[], str],
    ownership: Ownership,
    log: Path,
    timeout_s: float,
    max_connections: int,
) -> LocalProcess:
    """Create the postmaster process for `data`; it is ready when the superuser can connect."""
    command = [
        str(programs.postgres),
        "-D",
        str(data),
        "-p",
        str(port),
        "-c",
        f"max_connections={max_connections}",
    ]
    for name, value in _SETTINGS.items():
        command += ["-c", f"{name}={value}"]
    return LocalProcess(
        "postgres",
        command,
        ownership=ownership,
        log=log,
        probe=postgres_probe(admin_dsn),
        timeout_s=timeout_s,
        directory=data,
        account=programs.account,
        # An immediate shutdown ends its children and removes its shared memory; SIGKILL leaves both.
        death_signal=signal.SIGQUIT,
        env={"LC_ALL": "C", "TZ": "UTC"},
    )
