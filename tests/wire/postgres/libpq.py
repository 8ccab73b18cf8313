"""Plain libpq against the gate, for what drivers do not do."""

from __future__ import annotations

import asyncio
import sys
import textwrap

from tests.wire.watching_keeper import DEADLINE_S


async def libpq(dsn: str, script: str) -> str:
    """Run `script` with a plain libpq `connection` and return what it prints.

    In a process of its own: libpq's blocking calls hold the lock that the relay's thread needs.
    """
    lines = ["import psycopg", f"connection = psycopg.pq.PGconn.connect({dsn.encode()!r})"]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", "\n".join([*lines, textwrap.dedent(script)]), stdout=asyncio.subprocess.PIPE
    )
    try:
        printed, _ = await asyncio.wait_for(process.communicate(), DEADLINE_S)
    finally:
        if process.returncode is None:
            process.kill()
    assert process.returncode == 0
    return printed.decode()
