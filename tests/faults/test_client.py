"""The client: its results are true, and it guards against pitfalls of the server."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from overbooked.errors import FaultError
from overbooked.toxiproxy.client import ToxiproxyClient
from overbooked.toxiproxy.state import ProxyState, ToxicState
from overbooked.toxiproxy.toxics import Latency, Slicer, Stream, Timeout
from tests.faults.misbehaving import Misbehaving, misbehaving
from tests.faults.realserver import real_server
from tests.faults.servers import ours, real

UP = "127.0.0.1:1"


@pytest.fixture(scope="module", params=["ours", pytest.param("real", marks=pytest.mark.toxiproxy)])
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    with ExitStack() as stack:
        yield stack.enter_context(ours(seed=4711) if request.param == "ours" else real(real_server()))


@pytest.fixture
def client(url: str) -> Iterator[ToxiproxyClient]:
    client = ToxiproxyClient(url)
    yield client
    for name in client.proxies():
        client.delete(name)


@pytest.fixture
def bad() -> Iterator[Misbehaving]:
    with misbehaving() as told:
        yield told


# -- correct servers ------------------------------------------------------------------------------


def test_the_version_is_told(client: ToxiproxyClient) -> None:
    assert client.version() == "2.12.0"


def test_only_our_server_follows_a_seed(client: ToxiproxyClient, request: pytest.FixtureRequest) -> None:
    assert client.seeded is ("ours" in request.node.callspec.id)


def test_a_proxy_lives_from_create_to_delete(client: ToxiproxyClient) -> None:
    made = client.create("app->postgres", UP)
    assert made == ProxyState("app->postgres", made.listen, UP, True)
    assert client.proxies() == {"app->postgres": made}
    assert client.proxy("app->postgres") == made
    assert client.update("app->postgres", enabled=False).enabled is False
    assert (
        client.update("app->postgres", upstream="127.0.0.1:2", listen="127.0.0.1:0").upstream == "127.0.0.1:2"
    )
    client.delete("app->postgres")
    assert client.proxies() == {}


def test_a_toxic_lives_from_add_to_remove(client: ToxiproxyClient) -> None:
    client.create("p", UP)
    added = client.add("p", Latency(80, 5), stream=Stream.UPSTREAM, toxicity=0.3)
    assert added == ToxicState("latency_upstream", Stream.UPSTREAM, 0.3, Latency(80, 5))
    assert client.toxics("p") == (added,)
    changed = client.change("p", "latency_upstream", Latency(90))
    assert changed == ToxicState("latency_upstream", Stream.UPSTREAM, 0.3, Latency(90))
    assert client.change("p", "latency_upstream", Latency(90), toxicity=1.0).toxicity == 1.0
    client.remove("p", "latency_upstream")
    assert client.toxics("p") == ()


def test_reset_clears_and_is_checked(client: ToxiproxyClient) -> None:
    client.create("p", UP)
    client.add("p", Timeout())
    client.update("p", enabled=False)
    client.reset()
    assert client.proxy("p").enabled
    assert client.proxy("p").toxics == ()


def test_two_clients_talk_to_two_servers(client: ToxiproxyClient) -> None:
    with ours() as other_url:
        other = ToxiproxyClient(other_url)
        client.create("here", UP)
        other.create("there", UP)
        assert (set(client.proxies()), set(other.proxies())) == ({"here"}, {"there"})


def test_the_environments_web_proxy_is_not_asked(
    client: ToxiproxyClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    client.create("p", UP)
    client.update("p", enabled=False)


def test_populate_makes_them_anew_without_old_toxics(client: ToxiproxyClient) -> None:
    client.create("p", UP)
    client.add("p", Timeout())
    client.create("other", UP)
    made = client.populate({"p": UP, "q": UP})
    assert set(made) == {"p", "q"}
    assert made["p"].toxics == ()
    assert set(client.proxies()) == {"p", "q", "other"}


def test_populate_undoes_what_it_did_when_one_fails(client: ToxiproxyClient) -> None:
    before = client.create("p", UP)
    client.add("p", Latency(5), name="kept", stream=Stream.UPSTREAM, toxicity=0.5)
    before = client.proxy("p")
    original, calls = client.create, 0

    def failing(name: str, upstream: str, **more: object) -> ProxyState:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise FaultError("no more ports")
        return original(name, upstream, **more)  # type: ignore[arg-type]

    client.create = failing  # type: ignore[method-assign]
    with pytest.raises(FaultError, match="no more ports"):
        client.populate({"p": "127.0.0.1:2", "q": UP})
    assert client.proxies() == {"p": before}


@pytest.mark.parametrize(
    ("what", "why"),
    [
        (lambda c: c.proxy("none"), "refused GET /proxies/none: .*proxy not found"),
        (lambda c: c.delete("none"), "refused DELETE /proxies/none: .*proxy not found"),
        (lambda c: c.update("none", enabled=True), "refused PATCH /proxies/none with 404: .*proxy not found"),
        (lambda c: c.add("none", Timeout()), "proxy not found"),
        (lambda c: c.remove("p", "none"), "toxic not found"),
        (lambda c: c.change("p", "none", Timeout()), "toxic not found"),
        (lambda c: c.create("p", UP), "proxy already exists"),
        (lambda c: c.add("p", Latency(9), name="there"), "toxic already exists"),
        (lambda c: c.create("q", UP, listen="192.0.2.1:0"), "with 500: .*cannot assign requested address"),
        (lambda c: c.change("p", "there", Timeout()), "toxic there on p is of type latency, not timeout"),
    ],
)
def test_a_refusal_says_what_was_asked_and_what_the_server_said(
    client: ToxiproxyClient, what: Callable[[ToxiproxyClient], object], why: str
) -> None:
    client.create("p", UP)
    client.add("p", Latency(5), name="there")
    with pytest.raises(FaultError, match=why):
        what(client)


# -- before anything is sent ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "what",
    [
        lambda c: c.create("", UP),
        lambda c: c.create("a/b", UP),
        lambda c: c.create("a b", UP),
        lambda c: c.create("p", "nowhere"),
        lambda c: c.create("p", "127.0.0.1:99999"),
        lambda c: c.create("p", "http://127.0.0.1:1"),
        lambda c: c.create("p", UP, listen="nowhere"),
        lambda c: c.update("p", listen="nowhere"),
        lambda c: c.update("p", upstream="nowhere"),
        lambda c: c.add("p", Timeout(), name="a/b"),
        lambda c: c.add("p", Timeout(), toxicity=0),
        lambda c: c.add("p", Timeout(), toxicity=1.1),
        lambda c: c.populate({"p": UP, "a/b": UP}),
    ],
)
def test_what_cannot_work_is_never_sent(bad: Misbehaving, what: Callable[[ToxiproxyClient], object]) -> None:
    with pytest.raises(FaultError):
        what(ToxiproxyClient(bad.url))
    assert bad.asked == []


@pytest.mark.parametrize("url", ["127.0.0.1:8474", "https://127.0.0.1:8474", "http://", "http://h:1/path"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(FaultError, match="a Toxiproxy's URL is like http"):
        ToxiproxyClient(url)


# -- faulty servers -------------------------------------------------------------------------------

ECHO = {"name": "latency_downstream", "type": "latency", "stream": "downstream", "toxicity": 1}


@pytest.mark.parametrize(
    ("echo", "why"),
    [
        ({**ECHO, "attributes": {"latency": 0, "jitter": 5}}, "made another toxic latency_downstream on p"),
        ({**ECHO, "attributes": {"latency": 80, "jitter": 5}, "stream": "upstream"}, "made another toxic"),
        ({**ECHO, "attributes": {"latency": 80, "jitter": 5}, "toxicity": 0.5}, "made another toxic"),
    ],
)
def test_a_toxic_that_comes_back_otherwise_is_taken_away(
    bad: Misbehaving, echo: dict[str, object], why: str
) -> None:
    bad.answers = {
        "POST /proxies/p/toxics": (200, echo),
        "DELETE /proxies/p/toxics/latency_downstream": (204, ""),
    }
    with pytest.raises(FaultError, match=why):
        ToxiproxyClient(bad.url).add("p", Latency(80, 5))
    assert [what for what, _ in bad.asked] == list(bad.answers)


def test_the_attributes_go_out_as_the_api_spells_them(bad: Misbehaving) -> None:
    wire = {"average_size": 7, "size_variation": 2, "delay": 3}
    echo = {"name": "s", "type": "slicer", "stream": "upstream", "toxicity": 0.25, "attributes": wire}
    bad.answers = {"POST /proxies/p/toxics": (200, echo)}
    ToxiproxyClient(bad.url).add("p", Slicer(7, 2, 3), name="s", stream=Stream.UPSTREAM, toxicity=0.25)
    assert bad.asked == [("POST /proxies/p/toxics", echo)]


PROXY = {"name": "p", "listen": "127.0.0.1:2", "upstream": UP, "enabled": True, "toxics": []}


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ((500, "boom"), "refused POST /proxies with 500: boom"),
        ((201, "{"), "answered POST /proxies with no JSON"),
        ((201, []), "should report 'name'"),
        ((201, {**PROXY, "enabled": "yes"}), "should report 'enabled'"),
        ((201, {**PROXY, "upstream": "127.0.0.1:3"}), "made another proxy p"),
        ((201, {**PROXY, "enabled": False}), "made another proxy p"),
        ((201, {**PROXY, "toxics": [{**ECHO, "stream": "UP", "attributes": {}}]}), "stream is upstream or"),
        (None, "did not answer POST /proxies within 0.2 s"),
    ],
)
def test_a_server_that_answers_otherwise_is_found_out(
    bad: Misbehaving, answer: tuple[int, object] | None, why: str
) -> None:
    bad.answers = {"POST /proxies": answer}
    with pytest.raises(FaultError, match=why):
        ToxiproxyClient(bad.url, timeout_s=0.2).create("p", UP)


@pytest.mark.parametrize(
    ("path", "answer", "ask", "why"),
    [
        ("GET /proxies", [], lambda c: c.proxies(), "should list its proxies"),
        ("GET /proxies/p/toxics", {}, lambda c: c.toxics("p"), "lists the toxics of p as"),
        ("GET /version", [], lambda c: c.version(), "should answer its version"),
        ("PATCH /proxies/p", PROXY, lambda c: c.update("p", enabled=False), "made another proxy p"),
    ],
)
def test_an_answer_of_another_shape_is_found_out(
    bad: Misbehaving, path: str, answer: object, ask: Callable[[ToxiproxyClient], object], why: str
) -> None:
    bad.answers = {path: (200, answer)}
    with pytest.raises(FaultError, match=why):
        ask(ToxiproxyClient(bad.url))


def test_a_reset_that_left_something_is_found_out(bad: Misbehaving) -> None:
    bad.answers = {"POST /reset": (204, ""), "GET /proxies": (200, {"p": {**PROXY, "enabled": False}})}
    with pytest.raises(FaultError, match="was reset, but p is not"):
        ToxiproxyClient(bad.url).reset()


def test_a_build_that_was_not_told_its_version_is_called_unknown(bad: Misbehaving) -> None:
    bad.answers = {"GET /version": (200, {"version": "git"})}
    assert ToxiproxyClient(bad.url).version() == "unknown"


def test_nobody_there_is_said_in_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        url = f"http://127.0.0.1:{nobody.getsockname()[1]}"
    with pytest.raises(FaultError, match=f"Toxiproxy at {url} cannot be reached for GET /version") as caught:
        ToxiproxyClient(url).version()
    assert "\n" not in str(caught.value)
