"""Failures of this machine count neither against the system nor for it."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import resource
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from overbooked.bursts.last_byte_sync import LastByteSync
from overbooked.errors import HarnessError, UsageError
from overbooked.machine import descriptors, troubles
from overbooked.runs.plan import Variant
from overbooked.targets.adapter import HttpRequest
from overbooked.targets.client import Client, ClientTimeouts, unknown_answer
from overbooked.targets.endpoint import endpoint_of
from overbooked.targets.errors import TransportError
from overbooked.wire.relay import Relays
from tests.plugin.conftest import ScenarioRunner, healthy, runner

__all__ = ["healthy", "runner"]
REPOSITORY = Path(__file__).parents[2]
Make = Callable[..., Variant]
PATIENCE = ClientTimeouts(connect_s=2.0, answer_s=2.0)

LIMITED = """
from overbooked.machine import troubles
from overbooked.machine.lag import watched

@gap("SYS-03.c", "SYS-03.d")
async def test_it(stack, judge):
    judge.count("rounds")
    with judge("SYS-03.c"):
        pass
    {act}
    with judge("SYS-03.d"):
        raise GapFound("sold twice", observed="2 bookings")
"""


@contextlib.contextmanager
def no_descriptor_left(spare: int = 0) -> Iterator[None]:
    """Limit this process to `spare` more open files."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest = os.open(os.devnull, os.O_RDONLY)
    os.close(lowest)
    held: list[int] = []
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest + spare + 40, hard))
    try:
        while True:
            try:
                held.append(os.open(os.devnull, os.O_RDONLY))
            except OSError:
                break
        for _ in range(spare):
            os.close(held.pop(0))
        yield
    finally:
        for each in held:
            os.close(each)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture
async def server() -> AsyncIterator[tuple[str, int]]:
    """Answers every request with 204."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                await reader.readuntil(b"\r\n\r\n")
                writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")

    serving = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with serving:
        host, port = serving.sockets[0].getsockname()
        yield host, port


# -- before anything starts -------------------------------------------------------------------------


def test_too_few_descriptors_are_told_before_anything_starts(tmp_path: Path) -> None:
    overbooked = Path(sys.executable).with_name("overbooked")
    command = f"ulimit -n 256; exec {overbooked} run SYS-03.c --stack embedded"
    env = {**os.environ, "OVERBOOKED_REPORTS": str(tmp_path / "out")}
    called = subprocess.run(
        ["bash", "-c", command], cwd=REPOSITORY, env=env, capture_output=True, text=True, check=False
    )
    assert called.returncode == 2, called.stderr
    assert "file descriptors a process, the limit is 256" in called.stderr
    assert "ulimit -n" in called.stderr
    assert not (tmp_path / "out").exists()


def test_a_soft_limit_is_raised_by_itself() -> None:
    script = "from overbooked.machine.descriptors import ensure; ensure(600)"
    command = f"ulimit -Hn 5000; ulimit -Sn 256; exec {sys.executable} -c '{script}'"
    assert subprocess.run(["bash", "-c", command], cwd=REPOSITORY, check=False).returncode == 0


def test_a_limit_that_cannot_be_raised_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (100, 100))
    with pytest.raises(UsageError, match=r"needs 600 file descriptors a process, the limit is 100"):
        descriptors.ensure(descriptors.needed(50))


# -- distinguished from a refusal -------------------------------------------------------------------


async def test_a_relay_without_descriptors_is_no_refusal_of_the_server(server: tuple[str, int]) -> None:
    relays = Relays()
    begun = time.monotonic()
    try:
        link = relays.open("app->postgres", upstream=server)
        clients = [socket.socket() for _ in range(8)]
        with no_descriptor_left(spare=5):
            for client in clients:
                client.setblocking(False)
                with contextlib.suppress(BlockingIOError):
                    client.connect(link.address)
            for _ in range(1000):
                if troubles.since(begun):
                    break
                await asyncio.sleep(0.02)
        for client in clients:
            client.close()
    finally:
        relays.close()
    assert any("no file descriptor left" in sentence for sentence in troubles.since(begun))


async def test_a_server_that_refuses_is_the_servers_doing() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        nobody = unused.getsockname()
    relays, begun = Relays(), time.monotonic()
    try:
        link = relays.open("app->postgres", upstream=nobody)
        # The reset may arrive before the client has noticed that it is connected.
        with contextlib.suppress(ConnectionError):
            reader, writer = await asyncio.open_connection(*link.address)
            try:
                await reader.read()
            finally:
                writer.close()
        assert link.traffic().resets
    finally:
        relays.close()
    assert troubles.since(begun) == ()


async def test_a_client_without_descriptors_is_told_apart(server: tuple[str, int]) -> None:
    client = Client([f"http://{server[0]}:{server[1]}"], PATIENCE)
    begun = time.monotonic()
    with no_descriptor_left(), pytest.raises(TransportError) as failed:
        await client(HttpRequest("GET", "/"))
    assert unknown_answer(failed.value).unknown
    assert any("no file descriptor left" in sentence for sentence in troubles.since(begun))
    await client.close()


async def test_a_burst_that_cannot_be_sent_names_the_limit(server: tuple[str, int]) -> None:
    volleys = LastByteSync([endpoint_of(f"http://{server[0]}:{server[1]}")], "/", PATIENCE)
    with no_descriptor_left(spare=2), pytest.raises(HarnessError, match="no file descriptor left"):
        await volleys.hold([HttpRequest("GET", "/")] * 5, range(5))
    await volleys.close()


@pytest.mark.parametrize("code", [errno.EMFILE, errno.ENFILE, errno.EADDRNOTAVAIL, errno.ENOMEM])
def test_a_limit_is_found_however_it_is_wrapped(code: int) -> None:
    wrapped = TransportError("ConnectError", stage="connect")
    wrapped.__cause__ = ExceptionGroup("all attempts failed", [ValueError(), OSError(code, "x")])
    assert troubles.limit_of(wrapped) == troubles.LIMITS[code]


@pytest.mark.parametrize("code", [errno.ECONNREFUSED, errno.ECONNRESET, errno.EPIPE, errno.ETIMEDOUT])
def test_what_a_server_does_is_no_limit_of_ours(code: int) -> None:
    assert troubles.limit_of(OSError(code, "x")) == ""


async def test_a_dead_relay_is_noted() -> None:
    relays, begun = Relays(), time.monotonic()
    relays._loop.call_soon_threadsafe(relays._loop.stop)
    await asyncio.to_thread(relays._thread.join, 5.0)
    assert any("the relay's thread ended" in sentence for sentence in troubles.since(begun))
    relays.close()


async def test_a_proxy_server_that_reaches_a_limit_ends_and_says_why(
    tmp_path: Path, server: tuple[str, int]
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = (tmp_path / "log").open("w+")
    command = (
        f"ulimit -n 24; exec {sys.executable} -m overbooked.toxiproxy.server -host 127.0.0.1 -port {port}"
    )
    process = await asyncio.to_thread(
        subprocess.Popen, ["bash", "-c", command], cwd=REPOSITORY, stderr=log, stdout=log
    )
    client = Client([f"http://127.0.0.1:{port}"], PATIENCE)
    try:
        body = f'{{"name": "a", "listen": "127.0.0.1:0", "upstream": "{server[0]}:{server[1]}"}}'.encode()
        for _ in range(200):
            with contextlib.suppress(TransportError):
                made = await client(HttpRequest("POST", "/proxies", {}, body))
                break
            await asyncio.sleep(0.05)
        address = made.body.decode().split('"listen":"')[1].split('"')[0].split(":")
        many = [asyncio.open_connection(address[0], int(address[1])) for _ in range(30)]
        opened = await asyncio.gather(*many, return_exceptions=True)
        code = await asyncio.to_thread(process.wait, 60.0)
        for each in opened:
            if isinstance(each, tuple):
                each[1].close()
    finally:
        await client.close()
        process.kill()
        process.wait()
    log.seek(0)
    assert code == 71
    assert "no file descriptor left" in log.read()
    log.close()


# -- the verdict -----------------------------------------------------------------------------------


def test_neither_closed_nor_open_stands_upon_an_own_failure(runner: ScenarioRunner, healthy: Make) -> None:
    act = 'troubles.note_limit(OSError(24, "Too many open files"))'
    session = runner.hold(LIMITED.format(act=act), healthy("SYS-03.c", "SYS-03.d"))
    (result,) = session.results
    assert set(session.verdicts().values()) == {"inconclusive"}
    closed, opened = result.results
    for each in (closed, opened):
        assert each.reason.startswith("not judged: this process has no file descriptor left")
        assert each.finding is None
    assert opened.notes["found meanwhile"]["what"] == "sold twice"


def test_what_is_open_says_what_the_machine_was_doing(runner: ScenarioRunner, healthy: Make) -> None:
    act = "import asyncio, time; await asyncio.sleep(0.1); time.sleep(0.3); await asyncio.sleep(0.1)"
    session = runner.hold(LIMITED.format(act=act), healthy("SYS-03.c", "SYS-03.d"))
    closed, opened = session.results[0].results
    assert (closed.verdict, opened.verdict) == ("closed", "open")
    machine = opened.notes["machine"]
    assert machine["cores"] == os.cpu_count()
    assert len(machine["load"]) == 3
    assert machine["late_ms"]["scenario"]["worst"] >= 200
    assert "machine" not in closed.notes


WAITS = """
    import time
    from overbooked.targets.client import unknown_answer
    from overbooked.targets.errors import TransportError
    begun = time.monotonic()
    {wait}
    late = TransportError("no answer within 2 s", stage="receive")
    late.__cause__ = {cause}
    unknown_answer(late, since=begun)
"""


@pytest.mark.parametrize(
    ("wait", "cause", "verdict"),
    [
        ("time.sleep(1.5)", "TimeoutError()", "inconclusive"),
        ("await __import__('asyncio').sleep(1.5)", "TimeoutError()", "open"),
        ("time.sleep(1.5)", "ConnectionResetError()", "open"),
    ],
    ids=["we were late", "the service was late", "the service hung up"],
)
def test_a_time_out_that_our_own_delay_explains_opens_nothing(
    runner: ScenarioRunner, healthy: Make, wait: str, cause: str, verdict: str
) -> None:
    source = LIMITED.format(act=WAITS.format(wait=wait, cause=cause).strip())
    session = runner.hold(source, healthy("SYS-03.d"))
    assert session.verdicts() == {"healthy SYS-03.d": verdict}
    if verdict == "inconclusive":
        assert "this process was late by 1." in session.results[0].results[0].reason
