"""What each toxic does to a stream, measured.

Bounds from below are exact, since no toxic may be early. From above they are generous, and where a
toxic's absence is shown it is by what is far less than the toxic would cost: machines are busy.
"""

from __future__ import annotations

import time

import pytest

from tests.faults.conformance.api import Api
from tests.faults.upstreams import Client, Upstream

STREAMS = ["upstream", "downstream"]
# A stall is told from a delay by this much patience.
SILENCE_S = 0.15
SOON_S = 5.0


# -- latency ------------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", STREAMS)
def test_latency_delays_a_connection_that_was_there(api: Api, proxied: str, stream: str) -> None:
    with Client(proxied) as client:
        client.exchange(b"before")
        api.toxic("latency", stream, latency=120)
        assert 0.12 <= client.exchange(b"delayed") < SOON_S


@pytest.mark.parametrize("stream", STREAMS)
def test_latency_delays_a_new_connection(api: Api, proxied: str, stream: str) -> None:
    api.toxic("latency", stream, latency=120)
    with Client(proxied) as client:
        assert 0.12 <= client.exchange(b"delayed") < SOON_S


def test_latencies_add_up_over_streams_and_toxics(api: Api, proxied: str) -> None:
    api.toxic("latency", "upstream", latency=60)
    api.toxic("latency", "downstream", latency=60)
    more = {"name": "more", "type": "latency", "attributes": {"latency": 60}}
    assert api.post("/proxies/p/toxics", more).status == 200
    with Client(proxied) as client:
        assert 0.18 <= client.exchange(b"delayed") < SOON_S


def test_latency_delays_messages_side_by_side(api: Api, proxied: str) -> None:
    api.toxic("latency", latency=200)
    with Client(proxied) as client:
        started = time.monotonic()
        for _ in range(20):
            client.send(b"x")
            time.sleep(0.002)
        assert client.receive(20) == b"x" * 20
        # One after the other would be four seconds.
        assert 0.2 <= time.monotonic() - started < 2.0


def test_jitter_stays_within_its_bounds_and_varies(api: Api, proxied: str) -> None:
    api.toxic("latency", latency=40, jitter=30)
    with Client(proxied) as client:
        took = [client.exchange(b"x") for _ in range(12)]
    assert min(took) >= 0.01
    assert max(took) - min(took) > 0.005


def test_a_changed_latency_is_the_new_one(api: Api, proxied: str) -> None:
    path = api.toxic("latency", latency=60_000)
    with Client(proxied) as client:
        api.patch(path, {"attributes": {"latency": 60}})
        assert 0.06 <= client.exchange(b"x") < SOON_S


@pytest.mark.parametrize("change", ["update", "removal"])
def test_what_is_held_goes_on_at_once_when_its_toxic_changes(api: Api, proxied: str, change: str) -> None:
    path = api.toxic("latency", latency=60_000)
    with Client(proxied) as client:
        client.send(b"held")
        assert client.silent_for(SILENCE_S)
        if change == "update":
            api.patch(path, {"attributes": {"latency": 60_001}})
        else:
            api.delete(path)
        started = time.monotonic()
        assert client.receive(4) == b"held"
        assert time.monotonic() - started < SOON_S


def test_what_is_held_keeps_its_order_when_the_toxic_goes(api: Api, proxied: str) -> None:
    path = api.toxic("latency", latency=60_000)
    sent = b"".join(b"%04d" % n for n in range(200))
    with Client(proxied) as client:
        for start in range(0, len(sent), 40):
            client.send(sent[start : start + 40])
        assert client.silent_for(SILENCE_S)
        api.delete(path)
        client.send(b"last")
        assert client.receive(len(sent) + 4) == sent + b"last"


# -- bandwidth ----------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", STREAMS)
@pytest.mark.parametrize("rate", [50, 2000])
def test_bandwidth_passes_no_more_than_its_rate(api: Api, proxied: str, stream: str, rate: int) -> None:
    api.toxic("bandwidth", stream, rate=rate)
    n = rate * 300  # 0.3 s worth
    with Client(proxied) as client:
        assert 0.29 <= client.exchange(b"x" * n) < SOON_S


def test_a_bandwidth_of_0_passes_nothing(api: Api, proxied: str) -> None:
    path = api.toxic("bandwidth", rate=0)
    with Client(proxied) as client:
        client.send(b"held")
        assert client.silent_for(SILENCE_S)
        api.delete(path)
        assert client.receive(4) == b"held"


# -- timeout ------------------------------------------------------------------------------------


def test_timeout_downstream_swallows_the_answer_only(api: Api, proxied: str, echoing: Upstream) -> None:
    api.toxic("timeout", "downstream")
    with Client(proxied) as client:
        client.send(b"asked")
        echoing.await_until(lambda: echoing.received == b"asked")
        assert client.silent_for(SILENCE_S)


def test_timeout_upstream_swallows_the_question(api: Api, proxied: str, echoing: Upstream) -> None:
    with Client(proxied) as client:
        client.exchange(b"before")
        api.toxic("timeout", "upstream")
        client.send(b"asked")
        assert client.silent_for(SILENCE_S)
    assert echoing.received == b"before"


@pytest.mark.parametrize("stream", STREAMS)
def test_timeout_closes_after_its_time(api: Api, proxied: str, stream: str) -> None:
    api.toxic("timeout", stream, timeout=150)
    with Client(proxied) as client:
        started = time.monotonic()
        client.send(b"asked")
        assert client.ending() == "eof"
        assert 0.15 <= time.monotonic() - started < SOON_S


def test_timeout_closes_a_connection_on_which_nothing_is_said(api: Api, proxied: str) -> None:
    api.toxic("timeout", "upstream", timeout=100)
    with Client(proxied) as client:
        assert client.ending() == "eof"


def test_removing_a_timeout_closes_its_connections(api: Api, proxied: str) -> None:
    path = api.toxic("timeout", "downstream")
    with Client(proxied) as client:
        client.send(b"asked")
        assert client.silent_for(SILENCE_S)
        api.delete(path)
        assert client.ending() == "eof"
    with Client(proxied) as client:
        client.exchange(b"as before")


# -- reset_peer ---------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", STREAMS)
def test_reset_peer_resets_both_sides_of_a_new_connection(
    api: Api, proxied: str, echoing: Upstream, stream: str
) -> None:
    api.toxic("reset_peer", stream)
    with Client(proxied) as client:
        client.send(b"x")
        assert client.ending() == "reset"
    echoing.await_until(lambda: echoing.endings == ["reset"])


def test_reset_peer_closes_an_older_connection_without_a_reset(
    api: Api, proxied: str, echoing: Upstream
) -> None:
    with Client(proxied) as client:
        client.exchange(b"before")
        api.toxic("reset_peer", "downstream")
        client.send(b"x")
        assert client.ending() == "eof"


def test_reset_peer_waits_its_time(api: Api, proxied: str) -> None:
    api.toxic("reset_peer", timeout=150)
    with Client(proxied) as client:
        started = time.monotonic()
        client.send(b"x")
        assert client.ending() == "reset"
        assert 0.15 <= time.monotonic() - started < SOON_S


def test_reset_peer_leaves_a_connection_alone_on_which_nothing_is_said(api: Api, proxied: str) -> None:
    api.toxic("reset_peer", "downstream")
    with Client(proxied) as client:
        assert client.silent_for(SILENCE_S)


def test_reset_peer_upstream_keeps_the_question_from_the_server(
    api: Api, proxied: str, echoing: Upstream
) -> None:
    api.toxic("reset_peer", "upstream")
    with Client(proxied) as client:
        client.send(b"x")
        assert client.ending() == "reset"
    assert echoing.received == b""


# -- slicer -------------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", STREAMS)
def test_slicer_waits_after_each_slice(api: Api, proxied: str, stream: str) -> None:
    api.toxic("slicer", stream, average_size=100, delay=10_000)
    with Client(proxied) as client:
        # 1600 halves to 100 in sixteen slices, and fifteen delays lie between them.
        assert 0.15 <= client.exchange(b"x" * 1600) < SOON_S


def test_slicer_delivers_slice_by_slice(api: Api, proxied: str) -> None:
    api.toxic("slicer", average_size=10, delay=20_000)
    sizes = []
    with Client(proxied) as client:
        client.send(b"x" * 80)
        while sum(sizes) < 80:
            sizes.append(len(client.sock.recv(1000)))
    # Some may have come together on a busy machine, but not all.
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


# -- limit_data ---------------------------------------------------------------------------------


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


# -- slow_close ---------------------------------------------------------------------------------


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


# -- noop, toxicity, neighbours -----------------------------------------------------------------


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
    # Outside of this with odds of one in two million.
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
