"""Runs generator processes and merges their measurements; a lost process makes the load invalid."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import time
from collections import deque
from dataclasses import replace
from pathlib import Path
from typing import Final

from overbooked.errors import HarnessError
from overbooked.load.measurements import Measured
from overbooked.load.plan import LoadPlan

START_S: Final = 60.0
# Seconds between the start command and the first arrival, so that every process has received it.
HEAD_START_S: Final = 0.3
GRACE_S: Final = 30.0
LINES_KEPT: Final = 8

_PYTHON: Final = (sys.executable, "-P", "-m", "overbooked.load.runner")


class GeneratorLost(HarnessError):
    """A generator process did not start, died, or did not finish: the load is invalid."""


async def generate(plan: LoadPlan, *, processes: int = 1, command: tuple[str, ...] = _PYTHON) -> Measured:
    """Run a plan's arrivals, divided among processes, and merge their measurements.

    Raises:
        GeneratorLost: with the last lines of the process.
    """
    if processes < 1:
        raise ValueError(f"expected at least one generator process, found {processes}")
    lasts_s = (plan.arrivals[-1].at_s if plan.arrivals else 0.0) + 2 * plan.patience_s
    async with contextlib.AsyncExitStack() as stack:
        generators = [await stack.enter_async_context(_Generator(n + 1, command)) for n in range(processes)]
        await asyncio.gather(
            *(
                one.prepare(replace(plan, arrivals=plan.arrivals[n::processes]))
                for n, one in enumerate(generators)
            )
        )
        start_at = time.monotonic() + HEAD_START_S
        parts = await asyncio.gather(*(one.drive(start_at, lasts_s + GRACE_S) for one in generators))
    return Measured.together(parts)


class _Generator:
    """One process. It ignores the terminal's Ctrl-C: the process that started it ends it."""

    def __init__(self, number: int, command: tuple[str, ...]) -> None:
        self._name = f"load generator {number}"
        self._command = command
        self._said: deque[str] = deque(maxlen=LINES_KEPT)

    async def __aenter__(self) -> _Generator:
        # It loads the adapter from the same path as this process.
        path = os.pathsep.join([str(Path(__file__).parents[2]), *filter(None, sys.path)])
        self._process = await asyncio.create_subprocess_exec(
            *self._command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": path},
            start_new_session=True,
        )
        self._listening = asyncio.create_task(self._listen())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
        await self._process.wait()
        await self._listening

    async def _listen(self) -> None:
        """Keep the last lines of stderr; a full pipe would stall the process."""
        assert self._process.stderr is not None
        with contextlib.suppress(ValueError):  # a line longer than any buffer
            async for line in self._process.stderr:
                self._said.append(line.decode("utf-8", "replace").rstrip())
        await self._process.stderr.read()

    async def prepare(self, plan: LoadPlan) -> None:
        """Send the plan; return when the virtual users are ready."""
        await self._tell(plan.as_line())
        ready = await self._hear(START_S, "to be ready")
        if ready.strip() != b"ready":
            raise self._lost(f"expected `ready`, found {ready[:80]!r}")

    async def drive(self, start_at: float, within_s: float) -> Measured:
        """Start the load at a moment of the monotonic clock, and wait for the measurements."""
        await self._tell(f"go {start_at}")
        measured = await self._hear(within_s, "to send its measurements", whole=True)
        if await self._process.wait() != 0 or not measured.strip():
            raise self._lost(f"it ended with {self._process.returncode}")
        try:
            return Measured.from_line(measured.decode())
        except (ValueError, KeyError) as error:
            raise self._lost(f"its measurements cannot be read ({error!r})") from error

    async def _tell(self, line: str) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(line.encode() + b"\n")
            await self._process.stdin.drain()
        except (BrokenPipeError, ConnectionResetError) as error:
            await self._process.wait()
            raise self._lost(f"it ended with {self._process.returncode}") from error

    async def _hear(self, within_s: float, what: str, *, whole: bool = False) -> bytes:
        assert self._process.stdout is not None
        try:
            async with asyncio.timeout(within_s):
                heard = await (self._process.stdout.read() if whole else self._process.stdout.readline())
        except TimeoutError as error:
            raise self._lost(f"waited {within_s:g} s for it {what}") from error
        if not heard:
            await self._process.wait()
            raise self._lost(f"it ended with {self._process.returncode}")
        return heard

    def _lost(self, why: str) -> GeneratorLost:
        said = "; its last lines: " + " / ".join(self._said) if self._said else ""
        return GeneratorLost(f"{self._name} was lost: {why}{said}")
