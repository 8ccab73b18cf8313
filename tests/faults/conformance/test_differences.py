"""The intended differences from the real server, as listed in docs/toxiproxy.md, shown on both."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack

import httpx
import pytest

from overbooked.toxiproxy.server.toxics import KINDS
from tests.faults.conformance.api import Api
from tests.faults.realserver import real_server
from tests.faults.servers import ours, process, real
from tests.faults.upstreams import PATIENCE_S, Client, Upstream, echo, sink, upstream

# Limits the memory, because the real server's stack may grow to a gigabyte.
_LITTLE_MEMORY = ["sh", "-c", 'ulimit -d 262144; exec "$@"', "sh"]
# The second crashes only sometimes, the others always.
CRASHING = [
    ("slicer", {}),
    ("slicer", {"average_size": 10, "size_variation": 400}),
    ("bandwidth", {"rate": -1}),
]


@pytest.mark.parametrize(("type_", "attributes"), CRASHING)
def test_ours_refuses_what_crashes_the_original(type_: str, attributes: dict[str, int]) -> None:
    with ours() as url, upstream(echo) as behind:
        api = Api(url, "ours")
        address = api.proxy(behind.address)
        answer = api.post("/proxies/p/toxics", {"type": type_, "attributes": attributes})
        assert answer.status == 400
        assert answer.error.startswith("bad request body: ")
        with Client(address) as client:
            client.exchange(b"alive")


def test_ours_refuses_an_update_that_would_crash_the_original() -> None:
    with ours() as url:
        api = Api(url, "ours")
        api.proxy("127.0.0.1:1")
        path = api.toxic("slicer", average_size=10)
        assert api.patch(path, {"attributes": {"average_size": 0}}).status == 400
        assert api.get(path).json["attributes"]["average_size"] == 10


@pytest.mark.toxiproxy
@pytest.mark.parametrize(("type_", "attributes"), [CRASHING[0], CRASHING[-1]])
def test_the_original_dies_of_them(type_: str, attributes: dict[str, int]) -> None:
    with (
        upstream(echo) as behind,
        process([*_LITTLE_MEMORY, str(real_server())], ["-host", "127.0.0.1", "-port"]) as (url, child),
    ):
        api = Api(url, "real")
        address = api.proxy(behind.address)
        assert api.post("/proxies/p/toxics", {"type": type_, "attributes": attributes}).status == 200
        with Client(address) as client:
            client.send(b"x" * 1000)
            # It fills a gigabyte of stack first, which may take long.
            with contextlib.suppress(TimeoutError):
                client.ending()
        try:
            assert child.wait(60) != 0
        except subprocess.TimeoutExpired:  # pragma: no cover - unexpected
            pytest.fail("it lived: the guard may go")


@pytest.fixture(params=["ours", pytest.param("real", marks=pytest.mark.toxiproxy)])
def metered(request: pytest.FixtureRequest) -> Iterator[Api]:
    with ExitStack() as stack:
        if request.param == "ours":
            url = stack.enter_context(ours(proxy_metrics=True))
        else:
            url = stack.enter_context(real(real_server(), "-proxy-metrics"))
        api = Api(url, request.param)
        yield api
        api.close()


def _counts(api: Api) -> dict[str, float]:
    """Return the counters by name and direction."""
    found = {}
    for line in api.get("/metrics").text.splitlines():
        if line.startswith("toxiproxy_"):
            series, value = line.rsplit(" ", 1)
            name, labels = series.split("{", 1)
            direction = labels.split('direction="')[1].split('"')[0]
            found[f"{name} {direction}"] = float(value)
    return found


def test_byte_metrics_are_of_this_moment_in_ours_and_of_ended_connections_in_the_original(
    metered: Api,
) -> None:
    api = metered
    with upstream(echo) as behind:
        api_address = api.proxy(behind.address)
        with Client(api_address) as client:
            client.exchange(b"x" * 1000)
            assert (_counts(api) != {}) is (api.kind == "ours")
        behind.await_until(lambda: behind.endings != [])
        wanted = {
            f"toxiproxy_proxy_{way}_bytes_total {direction}": 1000.0
            for way in ("received", "sent")
            for direction in ("upstream", "downstream")
        }
        _await_counts(api, wanted)
        labels = f'proxy="p",upstream="{behind.address}"'
        assert f'listener="{api_address}",{labels}' in api.get("/metrics").text


def _await_counts(api: Api, wanted: dict[str, float]) -> None:
    deadline = time.monotonic() + 10
    while _counts(api) != wanted and time.monotonic() < deadline:
        time.sleep(0.01)
    assert _counts(api) == wanted


def test_metrics_count_what_a_toxic_swallows_as_received_only(metered: Api) -> None:
    with upstream(echo) as behind, Client(metered.proxy(behind.address)) as client:
        client.exchange(b"before")
        metered.toxic("limit_data", "upstream", bytes=0)
        client.send(b"swallowed")
        assert client.receive(1) == b""
        client.sock.close()
        name = "toxiproxy_proxy_{}_bytes_total upstream"
        deadline = time.monotonic() + 10
        while _counts(metered).get(name.format("received")) != 15 and time.monotonic() < deadline:
            time.sleep(0.01)
        counts = _counts(metered)
        assert (counts[name.format("received")], counts[name.format("sent")]) == (15, 6)


def test_a_failed_update_of_a_toxic_leaves_ours_as_it_was_and_the_original_half_changed(server: Api) -> None:
    try:
        server.proxy("127.0.0.1:1")
        path = server.toxic("latency", latency=1, jitter=1)
        body = {"attributes": {"jitter": "7", "latency": 3}}
        assert server.patch(path, body).status == 400
        found = server.get(path).json["attributes"]
        assert found == {"latency": 3 if server.kind == "real" else 1, "jitter": 1}
    finally:
        server.clear()


def test_taking_a_reset_away_while_it_waits_resets_at_once_in_ours(server: Api, echoing: Upstream) -> None:
    wait_ms = 1000 if server.kind == "real" else 60_000
    try:
        address = server.proxy(echoing.address)
        for _ in range(10):
            path = server.toxic("reset_peer", timeout=wait_ms)
            with Client(address) as client:
                client.send(b"x")
                # The toxic holds the answer by now; otherwise the next attempt succeeds.
                assert client.silent_for(0.1)
                assert server.delete(path).status == 204
                if client.ending(give_up_after=b"x") == "reset":
                    return
        pytest.fail("never reset")
    finally:
        server.clear()


def test_ours_changes_toxics_at_once_though_nobody_reads_and_drops_nothing() -> None:
    reads = threading.Event()

    def deaf(behind: Upstream, sock: socket.socket) -> None:
        reads.wait(PATIENCE_S)
        sink(behind, sock)

    sent = bytes(range(256)) * 65_536  # more than all buffers on the way
    with ours() as url, upstream(deaf) as behind:
        api = Api(url, "ours")
        with Client(api.proxy(behind.address)) as client:
            writer = threading.Thread(target=client.send, args=(sent,), daemon=True)
            writer.start()
            started = time.monotonic()
            for _ in range(3):
                path = api.toxic("latency", "upstream", latency=60_000)
                api.patch(path, {"attributes": {"latency": 1}})
                api.delete(path)
            assert time.monotonic() - started < 4.0
            reads.set()
            behind.await_until(lambda: len(behind.received) == len(sent))
            writer.join(PATIENCE_S)
    assert behind.received == sent


def test_only_ours_says_what_its_chance_follows(server: Api) -> None:
    assert server.get("/version").headers.get("X-Overbooked-Seed") == ("1" if server.kind == "ours" else None)


def test_ours_has_the_originals_toxics_and_no_others() -> None:
    from tests.faults.conformance.test_toxics import EVERY_KIND

    assert set(KINDS) == set(EVERY_KIND)


def test_ours_answers_a_request_that_is_none_with_400() -> None:
    with ours() as url:
        host, _, port = url.removeprefix("http://").partition(":")
        for rubbish in (
            b"rubbish\r\n\r\n",
            b"GET / SPDY/3\r\n\r\n",
            b"POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
            b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
            b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        ):
            with socket.create_connection((host, int(port)), 10) as sock:
                sock.sendall(rubbish)
                assert sock.recv(1000).startswith(b"HTTP/1.1 400 Bad Request\r\n")
        assert httpx.get(f"{url}/version", trust_env=False).status_code == 200
