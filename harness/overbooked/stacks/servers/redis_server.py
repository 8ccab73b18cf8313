"""Redis as a child of ours, in memory only: what it held is gone after a kill."""

from __future__ import annotations

import asyncio
from pathlib import Path

from overbooked.errors import StackError
from overbooked.stacks.base.health import Probe
from overbooked.stacks.base.paths import explained
from overbooked.stacks.processes.environment import for_process
from overbooked.stacks.processes.ownership import Ownership
from overbooked.stacks.processes.process import LocalProcess


def redis_process(
    server: Path,
    folder: Path,
    *,
    port: int,
    password: str,
    ownership: Ownership,
    log: Path,
    timeout_s: float,
) -> LocalProcess:
    """A Redis on loopback without persistence; its password is in a file and on no command line."""
    with explained():
        folder.mkdir(parents=True, exist_ok=True)
        config = folder / "redis.conf"
        config.touch(mode=0o600)
        config.write_text(
            f"bind 127.0.0.1\nport {port}\nrequirepass {password}\ndaemonize no\n"
            f'save ""\nappendonly no\ndir "{folder}"\ntcp-backlog 511\n',
            encoding="utf-8",
        )
    return LocalProcess(
        "redis",
        [str(server), str(config)],
        ownership=ownership,
        log=log,
        probe=redis_probe(("127.0.0.1", port), password),
        timeout_s=timeout_s,
        directory=folder,
    )


def redis_probe(address: tuple[str, int], password: str) -> Probe:
    """Ready when it answers PING to this password."""

    async def probe() -> str:
        try:
            answer = await redis_command(address, password, "PING")
        except OSError as error:
            return f"no connection ({error.strerror or error})"
        return "" if answer.startswith("+PONG") else f"PING answered {answer!r}"

    return probe


async def redis_command(address: tuple[str, int], password: str, command: str) -> str:
    """Send one inline command after AUTH and return the first line of its answer.

    Raises:
        OSError: there is no connection.
    """
    reader, writer = await asyncio.open_connection(*address)
    try:
        if password:
            writer.write(f"AUTH {password}\r\n".encode("ascii"))
            granted = (await reader.readline()).decode("utf-8", "replace").strip()
            if not granted.startswith("+"):
                return granted
        writer.write(f"{command}\r\n".encode("ascii"))
        return (await reader.readline()).decode("utf-8", "replace").strip()
    finally:
        writer.close()


async def flush(address: tuple[str, int], password: str) -> None:
    """Empty it.

    Raises:
        StackError: it does not answer or refuses.
    """
    try:
        answer = await redis_command(address, password, "FLUSHALL")
    except OSError as error:
        raise StackError(f"Redis cannot be emptied: {error}", part="redis") from error
    if not answer.startswith("+OK"):
        raise StackError(f"Redis refused to be emptied: {answer}", part="redis")


async def redis_version(server: Path) -> str:
    """The version of a redis-server program, e.g. `6.2.14`."""
    asked = await asyncio.create_subprocess_exec(
        str(server), "--version", stdout=asyncio.subprocess.PIPE, env=for_process({})
    )
    output, _ = await asked.communicate()
    for word in output.decode("ascii", "replace").split():
        if word.startswith("v="):
            return word[2:]
    return "unknown"
