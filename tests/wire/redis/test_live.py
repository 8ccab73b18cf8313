"""redis-py through the gate to a real redis-server: observing, holding, failing."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from overbooked.wire.gate.boundary import FaultKind, WireProtocol
from overbooked.wire.link import RelayLink
from overbooked.wire.relay import Relays
from tests.wire.deciding_keeper import DEADLINE_S, Waiting
from tests.wire.redis.server import redis_server
from tests.wire.sansio import Failing, Keeper

GREETINGS = {"HELLO", "AUTH", "CLIENT SETINFO", "CLIENT SETNAME", "SELECT"}
Connect = Callable[..., "redis.Redis"]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, int]]:
    folder: Path = tmp_path_factory.mktemp("redis")
    with redis_server(folder) as address:
        yield address


@pytest.fixture
def link(server: tuple[str, int]) -> Iterator[RelayLink]:
    with socket.create_connection(server) as sock:
        sock.sendall(b"FLUSHALL\r\n")
        assert sock.recv(5) == b"+OK\r\n"
    relays = Relays()
    yield relays.open("app->redis", upstream=server, protocol=WireProtocol.REDIS)
    relays.close()


@pytest.fixture(params=[2, 3])
def protocol(request: pytest.FixtureRequest) -> int:
    return int(request.param)


@pytest.fixture
def connect(protocol: int, link: RelayLink) -> Iterator[Connect]:
    """Makes clients that speak through the link, of both protocols."""
    made: list[redis.Redis] = []

    def connect(**options: object) -> redis.Redis:
        host, port = link.address
        client = redis.Redis(
            host=host,
            port=port,
            protocol=protocol,
            decode_responses=True,
            retry=Retry(NoBackoff(), 0),
            **{"socket_timeout": DEADLINE_S, **options},  # type: ignore[arg-type]
        )
        made.append(client)
        return client

    yield connect
    for client in made:
        client.close()


@pytest.fixture
def behind(protocol: int, server: tuple[str, int]) -> Iterator[redis.Redis]:
    """A client that does not go through the gate."""
    client = redis.Redis(*server, protocol=protocol, decode_responses=True)
    yield client
    client.close()


@pytest.fixture
def recorder(link: RelayLink) -> Iterator[Keeper]:
    keeper = Keeper(lets_go=True, delivers=True)
    link.gate(keeper)
    yield keeper
    link.gate(None)
    assert link.troubles() == ()


def exercise(client: redis.Redis) -> list[object]:
    """Run commands of every kind; returns their results."""
    found: list[object] = [client.ping(), client.set("a", "x" * 100_000), client.get("a")]
    with client.pipeline(transaction=False) as pipe:
        found += pipe.incr("n").incr("n").mget("n", "none").execute()
    with client.pipeline() as pipe:
        found += pipe.multi() or []
        found += pipe.hset("h", mapping={"k": "v"}).hgetall("h").execute()
    with client.pipeline() as pipe:
        pipe.watch("n")
        pipe.multi()
        found += pipe.incr("n").execute()
    script = client.register_script("return {KEYS[1], ARGV[1], 1}")
    found += [script(keys=["k"], args=["v"]), script(keys=["k"], args=["v"])]
    found += [
        client.rpush("q", "1", "2"),
        client.blpop(["q"], timeout=1),
        client.blpop(["none"], timeout=0.01),
    ]
    found += [client.zadd("z", {"a": 1.5}), client.zrange("z", 0, -1, withscores=True)]
    found.append(sorted(client.scan_iter()))
    with pytest.raises(redis.ResponseError) as wrong:
        client.incr("h")
    return [*found, str(wrong.value)]


def test_everything_is_as_it_is_without_the_gate(
    connect: Connect, link: RelayLink, behind: redis.Redis
) -> None:
    plain = exercise(behind)
    behind.flushall()
    behind.script_flush()
    observed = exercise(connect())
    assert observed == plain
    assert link.troubles() == ()


def test_everything_held_and_let_go_is_as_it_is_without_the_gate(
    connect: Connect, recorder: Keeper, behind: redis.Redis
) -> None:
    plain = exercise(behind)
    behind.flushall()
    behind.script_flush()
    assert exercise(connect()) == plain
    assert not GREETINGS & {each.verb for each in recorder.boundaries}
    assert len(recorder.replies) == len(recorder.asked)


def test_a_pipeline_is_a_boundary_for_each_command(connect: Connect, recorder: Keeper) -> None:
    with connect().pipeline(transaction=True) as pipe:
        pipe.incr("a").incr("b").execute()
    assert recorder.texts == ["MULTI", "INCRBY a 1", "INCRBY b 1", "EXEC"]
    assert [each.in_transaction for each in recorder.boundaries] == [False, True, True, True]
    assert [reply.in_transaction for reply in recorder.replies] == [True, True, True, False]
    assert {each.connection for each in recorder.boundaries} == {1}


def test_a_script_that_is_not_known_yet_is_seen_to_fall_back(
    connect: Connect, recorder: Keeper, behind: redis.Redis
) -> None:
    behind.script_flush()
    client = connect()
    script = client.register_script("return 7")
    assert [script(), script()] == [7, 7]
    assert [each.verb for each in recorder.boundaries] == ["EVALSHA", "SCRIPT LOAD", "EVALSHA", "EVALSHA"]
    assert [reply.error for reply in recorder.replies] == ["NOSCRIPT", "", "", ""]


def test_publish_and_subscribe(connect: Connect, recorder: Keeper, behind: redis.Redis) -> None:
    with connect().pubsub() as listener:
        listener.subscribe("news", "weather")
        listener.psubscribe("n*")
        confirmed = [listener.get_message(timeout=DEADLINE_S) for _ in range(3)]
        assert [each and each["type"] for each in confirmed] == ["subscribe", "subscribe", "psubscribe"]
        assert behind.publish("news", "sold out") == 2
        told = [listener.get_message(timeout=DEADLINE_S) for _ in range(2)]
        assert {(each["type"], each["data"]) for each in told if each} == {
            ("message", "sold out"),
            ("pmessage", "sold out"),
        }
        listener.unsubscribe()
        ended = [listener.get_message(timeout=DEADLINE_S) for _ in range(2)]
        assert [each and each["type"] for each in ended] == ["unsubscribe", "unsubscribe"]
    assert [each.verb for each in recorder.boundaries] == ["SUBSCRIBE", "PSUBSCRIBE", "UNSUBSCRIBE"]
    assert len(recorder.replies) == 3


def test_monitor_is_passed_through(connect: Connect, recorder: Keeper, behind: redis.Redis) -> None:
    behind.ping()
    with connect().monitor() as monitor:
        behind.set("seen", "1")
        assert monitor.next_command()["command"] == "SET seen 1"


def test_a_blocking_command_waits_in_the_server_and_not_at_the_gate(
    connect: Connect, recorder: Keeper, behind: redis.Redis
) -> None:
    with ThreadPoolExecutor(1) as pool:
        waiting: Future[object] = pool.submit(connect().blpop, ["queue"], DEADLINE_S)
        other = connect()
        while not behind.info("clients")["blocked_clients"]:
            assert not waiting.done()
        other.rpush("queue", "ticket")
        assert waiting.result(DEADLINE_S) in [("queue", "ticket"), ["queue", "ticket"]]
    assert sorted(each.verb for each in recorder.boundaries) == ["BLPOP", "RPUSH"]


def test_who_goes_first_is_chosen(connect: Connect, link: RelayLink) -> None:
    keeper = Waiting()
    ana, ben = connect(), connect()
    ana.ping()
    ben.ping()
    link.gate(keeper)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(ana.set, "lock", "ana", nx=True)
        hers = keeper.until_asked("SET lock ana NX")
        second = pool.submit(ben.set, "lock", "ben", nx=True)
        his = keeper.until_asked("SET lock ben NX")
        link.call(his.go)
        assert his is keeper.until_answered("SET lock ben NX")
        link.call(hers.go)
        keeper.until_answered("SET lock ana NX")
        assert not second.done()
        link.call(hers.deliver)
        assert first.result(DEADLINE_S) is None
        link.call(his.deliver)
        assert second.result(DEADLINE_S) is True


def test_a_released_gate_lets_go_of_everything(connect: Connect, link: RelayLink) -> None:
    keeper = Waiting()
    ana, ben = connect(), connect()
    link.gate(keeper)
    with ThreadPoolExecutor(2) as pool:
        asked = pool.submit(ana.set, "a", "1")
        keeper.until_asked("SET a 1")
        answered = pool.submit(ben.incr, "b")
        link.call(keeper.until_asked("INCRBY b 1").go)
        keeper.until_answered("INCRBY b 1")
        link.gate(None)
        assert asked.result(DEADLINE_S) is True
        assert answered.result(DEADLINE_S) == 1


@pytest.mark.parametrize(
    ("kind", "error", "executed"),
    [
        (FaultKind.ERROR, redis.OutOfMemoryError, False),
        (FaultKind.RESET_BEFORE, redis.ConnectionError, False),
        (FaultKind.ANSWER_LOST, redis.ConnectionError, True),
        (FaultKind.STALL, redis.TimeoutError, False),
    ],
)
def test_a_fault_is_what_it_says(
    connect: Connect,
    link: RelayLink,
    behind: redis.Redis,
    kind: FaultKind,
    error: type[Exception],
    *,
    executed: bool,
) -> None:
    client = connect(socket_timeout=3)  # only a stall takes so long, also on a busy machine
    client.ping()
    link.gate(Failing(verb="INCRBY", kind=kind, code="OOM"))
    with pytest.raises(error):
        client.incr("n")
    link.gate(None)
    assert behind.get("n") == ("1" if executed else None)
    assert client.incr("n") == (2 if executed else 1)


def test_an_answer_trickles(connect: Connect, link: RelayLink) -> None:
    client = connect()
    client.set("a", "x" * 50)
    keeper = Waiting()
    link.gate(keeper)
    with ThreadPoolExecutor(1) as pool:
        value = pool.submit(client.get, "a")
        link.call(keeper.until_asked("GET a").go)
        answer = keeper.until_answered("GET a")
        link.call(lambda: answer.deliver(pieces=5, pause_s=0.01))
        assert value.result(DEADLINE_S) == "x" * 50


def test_a_fault_within_multi_aborts_exec(connect: Connect, link: RelayLink, behind: redis.Redis) -> None:
    client = connect()
    link.gate(Failing(verb="INCRBY", code="OOM"))
    with pytest.raises(redis.RedisError) as refused, client.pipeline() as pipe:
        pipe.set("a", "1").incr("n").execute()
    assert isinstance(refused.value, redis.OutOfMemoryError | redis.exceptions.ExecAbortError)
    link.gate(None)
    assert (behind.get("a"), behind.get("n")) == (None, None)
    assert client.incr("n") == 1


def test_a_fault_at_exec_discards_what_was_queued(
    connect: Connect, link: RelayLink, behind: redis.Redis
) -> None:
    client = connect()
    link.gate(Failing(verb="EXEC", code="READONLY"))
    with pytest.raises(redis.exceptions.ExecAbortError, match="READONLY"), client.pipeline() as pipe:
        pipe.set("a", "1").incr("n").execute()
    link.gate(None)
    assert (behind.get("a"), behind.get("n")) == (None, None)
    assert client.incr("n") == 1


def test_tls_is_refused_with_a_clear_line(link: RelayLink) -> None:
    keeper = Keeper()
    link.gate(keeper)
    host, port = link.address
    client = redis.Redis(host, port, ssl=True, socket_timeout=DEADLINE_S, retry=Retry(NoBackoff(), 0))
    with pytest.raises(redis.ConnectionError):
        client.ping()
    assert "TLS" in link.troubles()[0]
    assert "TLS" in keeper.troubles[0]
