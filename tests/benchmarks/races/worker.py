"""One worker: `python -m tests.benchmarks.races.worker` reads a job on stdin and writes trials to stdout.

It ends, together with its stack, after its job, when it is interrupted, or when its parent has ended, which
closes stdin.
"""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import aclosing

from overbooked.errors import HarnessError
from tests.benchmarks.races.hunting import hunt
from tests.benchmarks.races.jobs import Job


async def _hunt(job: Job) -> None:
    async with aclosing(hunt(job, lambda line: sys.stderr.write(f"{line}\n"))) as trials:
        async for trial in trials:
            sys.stdout.write(json.dumps(trial.as_json()) + "\n")
            sys.stdout.flush()


async def _listen(work: asyncio.Task[None]) -> None:
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    await reader.read()
    work.cancel()


async def _work() -> None:
    job = Job.of_json(json.loads(sys.stdin.readline()))
    work = asyncio.create_task(_hunt(job))
    listening = asyncio.create_task(_listen(work))
    try:
        await work
    finally:
        listening.cancel()


def main() -> int:
    try:
        asyncio.run(_work())
    except HarnessError as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        return 3
    except (KeyboardInterrupt, asyncio.CancelledError):
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
