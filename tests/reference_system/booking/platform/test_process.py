"""The service as a separate process: start, requests, stop, and messages about wrong settings."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from pathlib import Path

import httpx

from tests.reference_system import house as houses
from tests.reference_system.servers import Servers
from tests.reference_system.waiting import until

ROOT = Path(__file__).parents[4]


async def start(*arguments: str, **environment: str) -> asyncio.subprocess.Process:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("BOOKING_")}
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "reference_system.booking",
        *arguments,
        cwd=ROOT,
        env=kept | environment,
        stderr=asyncio.subprocess.PIPE,
    )


async def test_it_serves_until_it_is_told_to_stop(servers: Servers) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = await start(
        "--port",
        str(port),
        BOOKING_DATABASE_URL=servers.dsns["app"],
        BOOKING_REDIS_URL=servers.redis_url,
        BOOKING_JWT_SECRET=houses.JWT_SECRET,
        BOOKING_OPERATOR_EMAIL=houses.OPERATOR_EMAIL,
        BOOKING_OPERATOR_PASSWORD=houses.OPERATOR_PASSWORD,
        BOOKING_ARGON2_COST="low",
    )
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as http:
            await until(lambda: _is_ready(http))
            assert (await http.get("/_control/clock")).status_code == 404
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(10):
            await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode in (0, -signal.SIGTERM)


async def _is_ready(http: httpx.AsyncClient) -> bool:
    try:
        return (await http.get("/health/ready")).status_code == 200
    except httpx.TransportError:
        return False


async def test_it_names_each_setting_that_is_missing_or_wrong() -> None:
    process = await start(
        BOOKING_REDIS_URL="redis://localhost", BOOKING_JWT_SECRET="short", BOOKING_POOL_SIZE="x"
    )
    _, stderr = await process.communicate()
    assert process.returncode == 2
    assert [line.split(":")[1].strip() for line in stderr.decode().splitlines()] == [
        "BOOKING_DATABASE_URL",
        "BOOKING_JWT_SECRET",
        "BOOKING_POOL_SIZE",
    ]
