"""`python -m harness.faults.server`: serve until told to stop by SIGINT or SIGTERM."""

from __future__ import annotations

import argparse
import asyncio
import gc
import secrets
import signal
import sys
from collections.abc import Sequence

from harness.faults.server import http
from harness.faults.server.addresses import join
from harness.faults.server.api import VERSION, Api
from harness.faults.server.collection import Collection


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)  # noqa: T201 - a command of its own


async def _serve(host: str, port: int, seed: int) -> int:
    collection = Collection(seed)
    try:
        server = await http.listen(Api(collection).answer, host, port)
    except OSError as error:
        _say(f"cannot listen on {join(host, port)}: {error.strerror or error}")
        return 2
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    # What start-up left is not worth looking through again.
    gc.collect()
    gc.freeze()
    found = server.sockets[0].getsockname()
    _say(f"seed {seed}")
    _say(f"listening on {join(str(found[0]), int(found[1]))}")
    await stop.wait()
    server.close()
    for proxy in collection.proxies.values():
        proxy.stop()
    return 0


def _run(host: str, port: int, seed: int) -> int:
    try:
        import uvloop  # noqa: PLC0415 - not on every platform
    except ImportError:
        return asyncio.run(_serve(host, port, seed))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_serve(host, port, seed))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the server; returns its exit code: 0 when stopped, 2 when it cannot listen."""
    parser = argparse.ArgumentParser(prog="python -m harness.faults.server", description=__doc__)
    parser.add_argument("--host", default="localhost", help="where the API listens")
    parser.add_argument("--port", type=int, default=8474, help="0 takes a free one")
    parser.add_argument("--seed", type=int, default=None, help="of everything random; default: a new one")
    parser.add_argument("--version", action="version", version=f"toxiproxy-server version {VERSION}")
    given = parser.parse_args(arguments)
    seed = secrets.randbits(32) if given.seed is None else given.seed
    return _run(given.host, given.port, seed)


if __name__ == "__main__":
    sys.exit(main())
