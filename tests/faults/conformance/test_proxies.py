"""Proxies: created, shown, changed, deleted, reset."""

from __future__ import annotations

import socket

import pytest

from tests.faults.conformance.api import Api
from tests.faults.upstreams import Client, Upstream, echo, upstream


def test_there_are_none_at_first(api: Api) -> None:
    answer = api.get("/proxies")
    assert (answer.status, answer.json) == (200, {})
    assert answer.headers["Content-Type"] == "application/json"


def test_a_created_proxy_is_told_with_where_it_listens(api: Api) -> None:
    answer = api.post("/proxies", {"name": "p", "upstream": "127.0.0.1:1", "listen": "127.0.0.1:0"})
    assert answer.status == 201
    listen = answer.json["listen"]
    assert listen.startswith("127.0.0.1:")
    assert not listen.endswith(":0")
    wanted = {
        "name": "p",
        "listen": listen,
        "upstream": "127.0.0.1:1",
        "enabled": True,
        "Logger": {},
        "toxics": [],
    }
    assert answer.json == wanted
    assert api.get("/proxies/p").json == wanted
    assert api.get("/proxies").json == {"p": wanted}


def test_keys_match_without_regard_to_case_and_unknown_ones_are_ignored(api: Api) -> None:
    answer = api.post("/proxies", {"NAME": "p", "upStream": "127.0.0.1:1", "listen": "127.0.0.1:0", "x": [1]})
    assert (answer.status, answer.json["name"]) == (201, "p")


def test_null_leaves_a_default_and_the_last_of_two_wins(api: Api) -> None:
    body = '{"name":"a","name":"p","upstream":"127.0.0.1:1","listen":"127.0.0.1:0","enabled":null} rest'
    answer = api.post("/proxies", body)
    assert (answer.status, answer.json["name"], answer.json["enabled"]) == (201, "p", True)


def test_a_name_may_hold_an_arrow(api: Api) -> None:
    api.proxy("127.0.0.1:1", "app->postgres")
    assert api.get("/proxies/app-%3Epostgres").json["name"] == "app->postgres"
    assert "app->postgres" in api.get("/proxies").json
    assert api.delete("/proxies/app-%3Epostgres").status == 204


def test_localhost_is_resolved(api: Api) -> None:
    assert api.proxy("127.0.0.1:1", listen="localhost:0").startswith("127.0.0.1:")


def test_no_host_listens_everywhere(api: Api, echoing: Upstream) -> None:
    port = api.proxy(echoing.address, listen=":0").rpartition(":")[2]
    with Client(f"127.0.0.1:{port}") as client:
        client.exchange(b"hello")


@pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6 here")
def test_an_ipv6_address_stands_in_brackets(api: Api, echoing: Upstream) -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("no IPv6 loopback here")
    listen = api.proxy(echoing.address, listen="[::1]:0")
    assert listen.startswith("[::1]:")
    with Client(listen) as client:
        client.exchange(b"hello")


def test_a_client_that_left_before_it_was_connected_leaves_nothing(api: Api, echoing: Upstream) -> None:
    address = api.proxy(echoing.address)
    for _ in range(20):
        Client(address).reset()
        Client(address).sock.close()
    with Client(address) as client:
        client.exchange(b"hello")


def test_what_was_sent_before_an_end_arrives(api: Api, sinking: Upstream) -> None:
    address = api.proxy(sinking.address)
    for _ in range(20):
        with Client(address) as client:
            client.send(b"word")
    sinking.await_until(lambda: sinking.received == b"word" * 20)


def test_no_address_at_all_listens_everywhere(api: Api) -> None:
    answer = api.post("/proxies", {"name": "p", "upstream": "127.0.0.1:1"})
    assert answer.status == 201
    assert answer.json["listen"].startswith(("[::]:", "0.0.0.0:"))


def test_a_disabled_proxy_does_not_listen(api: Api) -> None:
    answer = api.post(
        "/proxies", {"name": "p", "upstream": "127.0.0.1:1", "listen": "127.0.0.1:0", "enabled": False}
    )
    assert (answer.status, answer.json["enabled"], answer.json["listen"]) == (201, False, "127.0.0.1:0")


def test_traffic_passes_both_ways(api: Api, proxied: str) -> None:
    with Client(proxied) as client:
        client.exchange(b"hello")
        client.exchange(bytes(range(256)) * 4096)


def test_what_a_client_sends_at_once_arrives(proxied: str) -> None:
    for _ in range(30):
        with Client(proxied) as client:
            client.exchange(b"at once")


def test_disabling_closes_connections_and_enabling_listens_where_it_did(api: Api, proxied: str) -> None:
    with Client(proxied) as client:
        client.exchange(b"hello")
        answer = api.patch("/proxies/p", {"enabled": False})
        assert (answer.status, answer.json["enabled"], answer.json["listen"]) == (200, False, proxied)
        assert client.ending() == "eof"
    with pytest.raises(ConnectionRefusedError):
        Client(proxied)
    assert api.patch("/proxies/p", {"enabled": True}).json["listen"] == proxied
    with Client(proxied) as client:
        client.exchange(b"hello")


def test_disabling_keeps_toxics(api: Api, proxied: str) -> None:
    api.toxic("latency", latency=5)
    api.patch("/proxies/p", {"enabled": False})
    assert len(api.patch("/proxies/p", {"enabled": True}).json["toxics"]) == 1


def test_an_update_of_nothing_changes_nothing(api: Api, proxied: str) -> None:
    with Client(proxied) as client:
        client.exchange(b"hello")
        before = api.get("/proxies/p").json
        assert api.patch("/proxies/p", {}).json == before
        assert api.patch("/proxies/p", "null").json == before
        client.exchange(b"hello")


def test_post_updates_like_patch(api: Api, proxied: str) -> None:
    assert api.post("/proxies/p", {"enabled": False}).json["enabled"] is False


def test_a_name_in_an_update_is_ignored(api: Api, proxied: str) -> None:
    assert api.patch("/proxies/p", {"name": "q"}).json["name"] == "p"


def test_the_same_address_in_other_words_is_no_change(api: Api, proxied: str) -> None:
    port = proxied.rpartition(":")[2]
    with Client(proxied) as client:
        client.exchange(b"hello")
        assert api.patch("/proxies/p", {"listen": f"localhost:{port}"}).json["listen"] == proxied
        client.exchange(b"hello")


def test_another_upstream_closes_connections_and_leads_there(api: Api, proxied: str) -> None:
    with upstream(echo) as other, Client(proxied) as client:
        client.exchange(b"hello")
        answer = api.patch("/proxies/p", {"upstream": other.address})
        assert (answer.status, answer.json["upstream"]) == (200, other.address)
        assert client.ending() == "eof"
        with Client(answer.json["listen"]) as again:
            again.exchange(b"to the other")
        assert other.received == b"to the other"


def test_a_deleted_proxy_is_gone_with_its_connections(api: Api, proxied: str) -> None:
    with Client(proxied) as client:
        client.exchange(b"hello")
        answer = api.delete("/proxies/p")
        assert (answer.status, answer.text) == (204, "")
        assert client.ending() == "eof"
    assert api.get("/proxies/p").status == 404
    with pytest.raises(ConnectionRefusedError):
        Client(proxied)


def test_reset_enables_proxies_and_removes_toxics(api: Api, proxied: str) -> None:
    api.toxic("latency", latency=5)
    api.toxic("timeout", "upstream")
    api.patch("/proxies/p", {"enabled": False})
    answer = api.post("/reset")
    assert (answer.status, answer.text) == (204, "")
    found = api.get("/proxies/p").json
    assert (found["enabled"], found["toxics"], found["listen"]) == (True, [], proxied)


def test_it_accepts_though_nobody_is_upstream(api: Api) -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        address = f"127.0.0.1:{nobody.getsockname()[1]}"
    with Client(api.proxy(address)) as client:
        assert client.ending() == "eof"


def test_an_upstream_without_port_is_taken_and_leads_nowhere(api: Api) -> None:
    with Client(api.proxy("nowhere")) as client:
        assert client.ending() == "eof"


def test_a_half_closed_client_is_closed_altogether(api: Api, proxied: str, echoing: Upstream) -> None:
    with Client(proxied) as client:
        client.exchange(b"hello")
        client.sock.shutdown(socket.SHUT_WR)
        echoing.await_until(lambda: echoing.endings != [])
        assert client.ending() == "eof"


def test_an_upstream_that_hangs_up_ends_the_client(proxied: str, echoing: Upstream) -> None:
    with Client(proxied) as client:
        client.exchange(b"hello")
        echoing.hang_up()
        assert client.ending() == "eof"


def test_a_client_that_resets_reaches_the_upstream_as_an_end(proxied: str, echoing: Upstream) -> None:
    client = Client(proxied)
    client.exchange(b"hello")
    client.reset()
    echoing.await_until(lambda: echoing.endings == ["eof"])


def test_a_slow_reader_holds_the_writer_back_and_loses_nothing(api: Api, proxied: str) -> None:
    import threading

    n = 8_000_000
    with Client(proxied) as client:
        writer = threading.Thread(target=client.send, args=(b"x" * n,), daemon=True)
        writer.start()
        assert len(client.receive(n)) == n
        writer.join(10)
