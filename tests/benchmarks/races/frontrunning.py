"""frontrun as a method: manages its process, which contains the service."""

from __future__ import annotations

import asyncio
import json
import sys
from importlib.util import find_spec
from typing import Any

from overbooked.errors import HarnessError
from overbooked.stacks.base.protocol import Stack
from tests.benchmarks.races.jobs import ROOT, Job
from tests.benchmarks.races.trials import Hunt

# Seconds beyond its time, for the current interleaving and for preparing the races.
GRACE_S = 120.0

MISSING = "frontrun is not installed (pip install 'frontrun>=0.7'), so it was left out"


def is_installed() -> bool:
    return find_spec("frontrun") is not None


class Frontrun:
    """The process in which frontrun hunts one mutant; `async with` starts and ends it.

    Args:
        stack: the stack that the service in the process uses.
        env: the service's environment in the process.
    """

    def __init__(self, job: Job, stack: Stack, env: dict[str, str]) -> None:
        # Directly to the database: the gate would report an interleaving that is cancelled during a
        # handshake as a client that requires TLS.
        direct = {"BOOKING_DATABASE_URL": stack.dsns["app"]} if "app" in stack.dsns else {}
        self._told = {
            "mutant": job.seeded,
            "clauses": job.clauses,
            "env": env | direct,
            "attached": {
                "client_url": stack.client_url,
                "replicas": list(stack.replicas)[:1],
                "urls": dict(stack.urls),
                "dsns": dict(stack.dsns),
            },
        }

    async def __aenter__(self) -> Frontrun:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.benchmarks.races.frontrun_hunter",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            cwd=ROOT,
        )
        await self._tell(self._told)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()

    async def hunt(self, *, seed: int, allowed_s: float) -> Hunt:
        """One trial.

        Raises:
            HarnessError: the process has ended or does not answer.
        """
        await self._tell({"seed": seed, "allowed_s": allowed_s})
        assert self._process.stdout is not None
        try:
            async with asyncio.timeout(allowed_s + GRACE_S):
                line = await self._process.stdout.readline()
        except TimeoutError as error:
            raise HarnessError(f"frontrun said nothing for {allowed_s + GRACE_S:g} s") from error
        if not line:
            raise HarnessError(f"frontrun's process ended with {await self._process.wait()}")
        return Hunt(**json.loads(line))

    async def _tell(self, what: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(what).encode() + b"\n")
            await self._process.stdin.drain()
        except OSError as error:
            raise HarnessError(f"frontrun's process is gone: {error!r}") from error
