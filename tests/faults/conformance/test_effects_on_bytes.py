"""Measures effects on slicing, counting and closing, as in `test_effects`."""

from __future__ import annotations

import time

import pytest

from tests.faults.conformance.api import Api
from tests.faults.upstreams import Client, Upstream

STREAMS = ["upstream", "downstream"]
# Seconds of silence that distinguish a stall from a delay.
SILENCE_S = 0.15
SOON_S = 5.0


# -- slicer ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", STREAMS)
def test_slicer_waits_after_each_slice(api: Api, proxied: str, stream: str) -> None:
    api.toxic("slicer", stream, average_size=100, delay=10_000)
    with Client(proxied) as client:
        # 1600 bytes are halved to sixteen slices of 100, with fifteen delays between them.
        assert 0.15 <= client.exchange(b"x" * 1600) < SOON_S


def test_slicer_delivers_slice_by_slice(api: Api, proxied: str) -> None:
    api.toxic("slicer", average_size=10, delay=20_000)
    sizes = []
    with Client(proxied) as client:
        client.send(b"x" * 80)
        while sum(sizes) < 80:
            sizes.append(len(client.sock.recv(1000)))
    # On a busy machine some slices may arrive together, but not all.
    assert len(sizes) >= 3
    assert all(size % 10 == 0 for size in sizes)


def test_slicer_with_variation_keeps_every_byte_in_order(api: Api, proxied: str) -> None:
    api.toxic("slicer", average_size=64, size_variation=32)
    sent = bytes(range(256)) * 500
    with Client(proxied) as client:
        client.exchange(sent)


def test_removing_a_slicer_in_the_middle_loses_nothing(api: Api, proxied: str) -> None:
    path = api.toxic("slicer", average_size=10, delay=50_000)
    sent = bytes(range(250)) * 40
    with Client(proxied) as client:
        client.send(sent)
        first = client.sock.recv(100)
        api.delete(path)
        assert first + client.receive(len(sent) - len(first)) == sent


# -- limit_data ------------------------------------------------------------------------------------


def test_limit_data_downstream_closes_after_so_many_bytes(api: Api, proxied: str) -> None:
    api.toxic("limit_data", bytes=100)
    with Client(proxied) as client:
        client.send(b"x" * 60)
        assert client.receive(60) == b"x" * 60
        client.send(b"y" * 60)
        assert client.receive(60) == b"y" * 40
        assert client.ending() in ("eof", "reset")


def test_limit_data_upstream_gives_the_server_so_many_bytes(api: Api, sinking: Upstream) -> None:
    address = api.proxy(sinking.address)
    api.toxic("limit_data", "upstream", bytes=100)
    with Client(address) as client:
        client.send(b"x" * 150)
        sinking.await_until(lambda: sinking.endings != [])
    assert sinking.received == b"x" * 100


def test_limit_data_counts_each_connection_by_itself(api: Api, proxied: str) -> None:
    api.toxic("limit_data", bytes=10)
    for _ in range(2):
        with Client(proxied) as client:
            client.send(b"x" * 8)
            assert client.receive(8) == b"x" * 8


def test_limit_data_of_0_closes_at_the_first_byte(api: Api, proxied: str) -> None:
    api.toxic("limit_data", bytes=0)
    with Client(proxied) as client:
        client.send(b"x")
        assert client.receive(1) == b""


def test_a_changed_limit_counts_what_has_passed(api: Api, proxied: str) -> None:
    path = api.toxic("limit_data", bytes=1000)
    with Client(proxied) as client:
        client.exchange(b"x" * 60)
        api.patch(path, {"attributes": {"bytes": 100}})
        client.send(b"y" * 60)
        assert client.receive(60) == b"y" * 40


# -- slow_close ------------------------------------------------------------------------------------


def test_slow_close_downstream_keeps_the_end_from_the_client(
    api: Api, proxied: str, echoing: Upstream
) -> None:
    api.toxic("slow_close", delay=150)
    with Client(proxied) as client:
        client.exchange(b"data is not delayed")
        started = time.monotonic()
        echoing.hang_up()
        assert client.ending() == "eof"
        assert 0.15 <= time.monotonic() - started < SOON_S


def test_slow_close_upstream_keeps_the_end_from_the_server(api: Api, proxied: str, echoing: Upstream) -> None:
    api.toxic("slow_close", "upstream", delay=150)
    client = Client(proxied)
    client.exchange(b"x")
    started = time.monotonic()
    client.sock.close()
    echoing.await_until(lambda: echoing.endings != [])
    assert 0.15 <= time.monotonic() - started < SOON_S


def test_removing_a_slow_close_lets_the_end_pass(api: Api, proxied: str, echoing: Upstream) -> None:
    path = api.toxic("slow_close", delay=60_000)
    with Client(proxied) as client:
        client.exchange(b"x")
        echoing.hang_up()
        assert client.silent_for(SILENCE_S)
        api.delete(path)
        assert client.ending() == "eof"


# -- noop, toxicity, neighbours --------------------------------------------------------------------


def test_a_noop_passes_everything(api: Api, proxied: str) -> None:
    api.toxic("noop")
    with Client(proxied) as client:
        client.exchange(b"x" * 100_000)


def test_a_toxicity_of_0_touches_no_connection(api: Api, proxied: str) -> None:
    asked = {"type": "timeout", "toxicity": 0, "stream": "upstream"}
    api.post("/proxies/p/toxics", asked)
    for _ in range(5):
        with Client(proxied) as client:
            client.exchange(b"x")


def test_a_toxicity_of_a_half_touches_some_connections(api: Api, proxied: str) -> None:
    api.post("/proxies/p/toxics", {"type": "limit_data", "toxicity": 0.5, "attributes": {"bytes": 0}})
    passed = 0
    for _ in range(60):
        with Client(proxied) as client:
            client.send(b"x")
            passed += client.receive(1) == b"x"
    # The probability of a value outside this range is one in two million.
    assert 10 < passed < 50


def test_a_raised_toxicity_reaches_the_connections_there_are(api: Api, proxied: str) -> None:
    asked = {"type": "limit_data", "toxicity": 0, "attributes": {"bytes": 0}}
    api.post("/proxies/p/toxics", asked)
    with Client(proxied) as client:
        client.exchange(b"x")
        api.patch("/proxies/p/toxics/limit_data_downstream", {"toxicity": 1})
        client.send(b"x")
        assert client.receive(1) == b""


def test_toxics_work_one_after_the_other(api: Api, proxied: str) -> None:
    api.toxic("latency", latency=100)
    api.toxic("limit_data", bytes=5)
    with Client(proxied) as client:
        started = time.monotonic()
        client.send(b"0123456789")
        assert client.receive(10) == b"01234"
        assert 0.1 <= time.monotonic() - started < SOON_S


def test_removing_one_toxic_leaves_its_neighbours_at_work(api: Api, proxied: str) -> None:
    first = api.toxic("latency", latency=60_000)
    api.post("/proxies/p/toxics", {"type": "latency", "name": "second", "attributes": {"latency": 120}})
    with Client(proxied) as client:
        client.send(b"held")
        api.delete(first)
        assert client.receive(4) == b"held"
        assert 0.12 <= client.exchange(b"again") < SOON_S


def test_toxics_come_and_go_under_traffic_without_losing_a_byte(api: Api, proxied: str) -> None:
    sent = b"".join(b"%06d" % n for n in range(100_000))
    with Client(proxied) as client:
        import threading

        writer = threading.Thread(target=client.send, args=(sent,), daemon=True)
        writer.start()
        got = b""
        for round_ in range(12):
            path = api.toxic("slicer", average_size=3000) if round_ % 2 else api.toxic("latency", latency=3)
            got += client.receive(20_000)
            api.delete(path)
        got += client.receive(len(sent) - len(got))
        writer.join(10)
    assert got == sent


def test_a_reset_of_the_server_lets_what_was_held_pass(api: Api, proxied: str) -> None:
    api.toxic("latency", latency=60_000)
    with Client(proxied) as client:
        client.send(b"held")
        assert client.silent_for(SILENCE_S)
        api.post("/reset")
        assert client.receive(4) == b"held"
        client.exchange(b"plain")
