"""`python -m overbooked.toxiproxy.server`: serve until SIGINT or SIGTERM."""

from __future__ import annotations

import argparse
import asyncio
import gc
import secrets
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from overbooked.toxiproxy.server.addresses import join
from overbooked.toxiproxy.server.api import VERSION
from overbooked.toxiproxy.server.collection import Collection
from overbooked.toxiproxy.server.decoding import parse
from overbooked.toxiproxy.server.errors import ApiError
from overbooked.toxiproxy.server.metrics import Metrics
from overbooked.toxiproxy.server.serving import serving


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)  # noqa: T201 - a command of its own


async def _serve(given: argparse.Namespace, seed: int) -> int:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    metrics = Metrics(proxies=given.proxy_metrics, runtime=given.runtime_metrics)
    try:
        async with serving(given.host, given.port, seed=seed, metrics=metrics) as (address, collection):
            if given.config:
                await _populate(collection, given.config)
            # Exclude objects from start-up from garbage collection.
            gc.collect()
            gc.freeze()
            _say(f"seed {seed}")
            _say(f"listening on {address}")
            await stop.wait()
    except OSError as error:
        _say(f"cannot listen on {join(given.host, given.port)}: {error.strerror or error}")
        return 2
    return 0


async def _populate(collection: Collection, config: Path) -> None:
    try:
        await collection.populate(parse(config.read_bytes()), [])  # noqa: ASYNC240 - before anything is served
    except (OSError, ApiError) as error:
        # Like the original, serve the proxies that could be created.
        _say(f"cannot populate from {config}: {error}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the server; returns its exit code: 0 when stopped, 2 when it cannot listen."""
    parser = argparse.ArgumentParser(prog="python -m overbooked.toxiproxy.server", description=__doc__)
    # Options with one dash are the original's spelling.
    parser.add_argument("-host", "--host", default="localhost", help="where the API listens")
    parser.add_argument("-port", "--port", type=int, default=8474, help="0 takes a free one")
    parser.add_argument("-seed", "--seed", type=int, help="of everything random; default: a new one")
    parser.add_argument("-config", "--config", type=Path, help="JSON file of proxies to create")
    parser.add_argument("-proxy-metrics", "--proxy-metrics", action="store_true", help="count bytes")
    parser.add_argument("-runtime-metrics", "--runtime-metrics", action="store_true", help="our own")
    version = f"toxiproxy-server version {VERSION}"
    parser.add_argument("-version", "--version", action="version", version=version)
    given = parser.parse_args(arguments)
    seed = secrets.randbits(32) if given.seed is None else given.seed
    try:
        import uvloop  # noqa: PLC0415 - not on every platform
    except ImportError:
        return asyncio.run(_serve(given, seed))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_serve(given, seed))


if __name__ == "__main__":
    sys.exit(main())
