"""Waits until a part of a stack is ready; fails at a deadline, or when the part ends."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence

from overbooked.errors import StackError

# Returns what is still missing; empty if the part is ready.
Probe = Callable[[], Awaitable[str]]

_POLL_S = 0.02
_PROBE_TIMEOUT_S = 2.0


async def wait_until_ready(
    part: str,
    probe: Probe,
    *,
    timeout_s: float,
    died: Callable[[], str] = lambda: "",
    log: Callable[[], Sequence[str]] = lambda: (),
) -> None:
    """Poll `probe` until it returns that nothing is missing.

    Args:
        part: the part's name, for error messages.
        timeout_s: the deadline, in seconds.
        died: returns how the part ended; empty while it runs.
        log: returns its last log lines, for the error.

    Raises:
        StackError: the part ended, or was not ready in time.
    """
    deadline = time.monotonic() + timeout_s
    missing = "it was never probed"
    while True:
        if end := died():
            raise StackError(f"{part} {end} while it was starting{quoted(log())}", part=part, log=log())
        try:
            async with asyncio.timeout(_PROBE_TIMEOUT_S):
                missing = await probe()
        except TimeoutError:
            missing = f"no answer within {_PROBE_TIMEOUT_S:g} s"
        if not missing:
            return
        if time.monotonic() > deadline:
            raise StackError(
                f"{part} was not ready within {timeout_s:g} s: {missing}{quoted(log())}", part=part, log=log()
            )
        await asyncio.sleep(_POLL_S)


def quoted(lines: Sequence[str], keep: int = 12) -> str:
    """Format the last lines of a log for appending to a message."""
    shown = [line for line in lines if line.strip()][-keep:]
    return "".join(f"\n    {line}" for line in shown)


def http_probe(host: str, port: int, path: str, *, tls: bool = False, any_answer: bool = False) -> Probe:
    """Create a probe: ready when a GET of `path` returns a 2xx status; `tls` verifies the certificate.

    Args:
        any_answer: a 2xx, 3xx or 4xx status means ready; for a service without a known health path.
    """

    async def probe() -> str:
        try:
            reader, writer = await asyncio.open_connection(host, port, ssl=tls or None)
        except OSError as error:
            return f"no connection to {host}:{port} ({error.strerror or error})"
        try:
            request = f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n"
            writer.write(request.encode("ascii"))
            line = (await reader.readline()).decode("latin-1").strip()
            parts = line.split(" ", 2)
            if len(parts) >= 2 and parts[1][:1] in ({"2", "3", "4"} if any_answer else {"2"}):
                return ""
            return f"GET {path} answered {line or 'nothing'}"
        except OSError as error:
            return f"GET {path} failed ({error.strerror or error})"
        finally:
            writer.close()

    return probe
