"""Measures the effect of each toxic on a stream.

Lower bounds are exact, because no toxic may be early. Upper bounds are generous for busy machines, and a
toxic counts as absent if the time is far below its delay.
"""

from __future__ import annotations

import time

import pytest

from tests.faults.conformance.api import Api
from tests.faults.upstreams import Client, Upstream

STREAMS = ["upstream", "downstream"]
# Seconds of silence that distinguish a stall from a delay.
SILENCE_S = 0.15
SOON_S = 5.0


# -- latency ---------------------------------------------------------------------------------------


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
        # In sequence it would take four seconds.
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


# -- bandwidth -------------------------------------------------------------------------------------


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


# -- timeout ---------------------------------------------------------------------------------------


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


# -- reset_peer ------------------------------------------------------------------------------------


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
