"""Redis as a child process without persistence: a kill loses its data."""

from __future__ import annotations

import asyncio
from pathlib import Path

from overbooked.errors import StackError
from overbooked.stacks.base.health import Probe
from overbooked.stacks.base.paths import explain_full_disk
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
    """Create a Redis process on loopback; its password is in a file and not on the command line."""
    with explain_full_disk():
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
    """Create a probe: ready when Redis accepts this password and answers PING."""

    async def probe() -> str:
        try:
            answer = await redis_command(address, password, "PING")
        except OSError as error:
            return f"no connection ({error.strerror or error})"
        return "" if answer.startswith("+PONG") else f"PING answered {answer!r}"

    return probe


async def redis_command(address: tuple[str, int], password: str, command: str) -> str:
    """Send AUTH and one inline command; return the first line of the answer, or AUTH's error.

    Raises:
        OSError: the connection failed.
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
    """Delete all data with FLUSHALL.

    Raises:
        StackError: Redis does not answer or refuses.
    """
    try:
        answer = await redis_command(address, password, "FLUSHALL")
    except OSError as error:
        raise StackError(f"Redis cannot be emptied: {error}", part="redis") from error
    if not answer.startswith("+OK"):
        raise StackError(f"Redis refused to be emptied: {answer}", part="redis")


async def redis_version(server: Path) -> str:
    """The version of a redis-server program, e.g. `6.2.14`; `unknown` if it reports none."""
    asked = await asyncio.create_subprocess_exec(
        str(server), "--version", stdout=asyncio.subprocess.PIPE, env=for_process({})
    )
    output, _ = await asked.communicate()
    for word in output.decode("ascii", "replace").split():
        if word.startswith("v="):
            return word[2:]
    return "unknown"
