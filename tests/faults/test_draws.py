"""Random draws depend only on the seed, the names and the order of connections."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from overbooked.toxiproxy.server.randomness import Draws
from tests.faults.conformance.api import Api
from tests.faults.servers import ours
from tests.faults.upstreams import Client, Upstream, echo, sink, upstream

CONNECTIONS = 24
QUIET_S = 0.3


def _hit(client: Client) -> bool:
    """Whether this connection has a limit of 0 bytes downstream."""
    client.send(b"x")
    return client.receive(1) == b""


def _pattern(api: Api, behind: Upstream, *, toxicity: float = 0.5, name: str = "t", proxy: str = "p") -> str:
    """Return which of several successive connections have a toxic."""
    address = api.proxy(behind.address, proxy)
    try:
        asked = {"type": "limit_data", "name": name, "toxicity": toxicity, "attributes": {"bytes": 0}}
        api.post(f"/proxies/{proxy}/toxics", asked)
        found = ""
        for _ in range(CONNECTIONS):
            with Client(address) as client:
                found += "x" if _hit(client) else "."
        return found
    finally:
        api.delete(f"/proxies/{proxy}")


def test_the_same_seed_touches_the_same_connections() -> None:
    with upstream(echo) as behind:
        found = []
        for seed in (7, 7, 8):
            with ours(seed=seed) as url:
                found.append(_pattern(Api(url, "ours"), behind))
    assert found[0] == found[1]
    assert found[0] != found[2]


def test_names_have_a_say_and_what_came_before_has_none() -> None:
    with ours(seed=7) as url, upstream(echo) as behind:
        api = Api(url, "ours")
        first = _pattern(api, behind)
        others = {_pattern(api, behind, name="u"), _pattern(api, behind, proxy="q")}
        assert _pattern(api, behind) == first
        assert first not in others


def test_a_connection_keeps_its_draw_when_a_neighbour_comes_and_goes() -> None:
    draws = Draws(7, "p")
    spared = {rank for rank in range(CONNECTIONS) if draws.stream("t", rank).random() >= 0.5}
    assert 0 < len(spared) < CONNECTIONS
    with ours(seed=7) as url, upstream(sink) as behind, ExitStack() as stack:
        api = Api(url, "ours")
        address = api.proxy(behind.address)
        clients = []
        for rank in range(CONNECTIONS):
            clients.append(stack.enter_context(Client(address)))
            behind.await_until(lambda rank=rank: behind.accepted == rank + 1)  # type: ignore[misc]
        asked = {"type": "timeout", "stream": "upstream", "name": "t", "toxicity": 0.5}
        api.post("/proxies/p/toxics", asked)
        assert _passed(clients, behind, len(spared)) == spared
        for _ in range(3):
            api.delete(api.toxic("noop", "upstream"))
        api.patch("/proxies/p/toxics/t", {"attributes": {"timeout": 0}})
        assert _passed(clients, behind, len(spared)) == spared


def _passed(clients: list[Client], behind: Upstream, at_least: int) -> set[int]:
    """Return the ranks of connections whose byte arrives: waits for `at_least` of them, then for silence."""
    start = len(behind.received)
    for rank, client in enumerate(clients):
        client.send(bytes([rank]))
    behind.await_until(lambda: len(behind.received) >= start + at_least)
    # A connection with the toxic stays silent; only a period of silence shows it.
    seen = -1
    while len(behind.received) > seen:
        seen = len(behind.received)
        with behind.news:
            behind.news.wait_for(lambda seen=seen: len(behind.received) > seen, QUIET_S)  # type: ignore[misc]
    return set(behind.received[start:])


def test_raising_a_toxicity_only_adds_connections() -> None:
    with ours(seed=7) as url, upstream(echo) as behind:
        api = Api(url, "ours")
        few, many = _pattern(api, behind, toxicity=0.3), _pattern(api, behind, toxicity=0.7)
    assert all(more == "x" for less, more in zip(few, many, strict=True) if less == "x")
    assert few != many


@pytest.mark.parametrize("rank", [0, 1, 1000])
def test_a_stream_is_the_same_each_time_it_is_asked_for(rank: int) -> None:
    draws = Draws(4711, "p")
    assert draws.stream("t", rank).random() == Draws(4711, "p").stream("t", rank).random()
    assert draws.stream("t", rank).random() != draws.stream("t", rank + 1).random()
