"""Runs workers in parallel: one process and one stack per mutant."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import sys
from collections.abc import Callable, Sequence

from tests.benchmarks.races.jobs import ROOT, Job
from tests.benchmarks.races.trials import Trial

# Seconds; more than a stack needs to stop.
END_S = 30.0

_WORKER = (sys.executable, "-m", "tests.benchmarks.races.worker")


async def work(
    jobs: Sequence[Job], workers: int, done: Callable[[Trial], None], say: Callable[[str], None]
) -> int:
    """Run all jobs, several at a time; returns 0 or the worst exit code of a worker.

    Args:
        done: called with each trial.
        say: called for a worker that failed.
    """
    turns = asyncio.Semaphore(workers)

    async def one(job: Job) -> int:
        async with turns:
            code = await _done(job, done)
        if code:
            say(f"{job.mutant:10} the worker ended with exit code {code}")
        return code

    return max(await asyncio.gather(*map(one, jobs)), default=0)


async def _done(job: Job, done: Callable[[Trial], None]) -> int:
    # Shielded from the terminal's Ctrl-C: this process ends it, once.
    process = await asyncio.create_subprocess_exec(
        *_WORKER,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        cwd=ROOT,
        start_new_session=True,
        limit=1 << 20,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(json.dumps(job.as_json()).encode() + b"\n")
        await process.stdin.drain()
        async for line in process.stdout:
            done(Trial.of_json(json.loads(line)))
        return await process.wait()
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGINT)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(END_S):
                    await process.wait()
            if process.returncode is None:
                process.kill()
