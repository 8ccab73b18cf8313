from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from overbooked.bursts.bursts import Bursts, loopback_only
from overbooked.errors import GapFound, HarnessError, HostNotAllowed, NotSupported
from overbooked.interleavings.scheduler.race import RaceResult, Races
from overbooked.oracles.capacity import sold_at_most
from overbooked.system.system import System
from overbooked.targets.client import ClientTimeouts
from overbooked.targets.errors import TargetError, TransportError
from overbooked.targets.raw_connection import Connection
from overbooked.verdicts.judge import Judge
from overbooked.verdicts.verdict import Verdict
from tests.targets.town import Call, Reply, Town, at


@asynccontextmanager
async def racing(
    *towns: Town, clauses: tuple[str, ...] = ("SYS-03.c",)
) -> AsyncIterator[tuple[System, Bursts, Judge]]:
    judge = Judge(clauses, "race")
    async with at(*towns) as system:
        bursts = Bursts(system, judge, warm_path="/up", patience=ClientTimeouts(answer_s=2))
        try:
            yield system, bursts, judge
        finally:
            await bursts.close()


async def test_nothing_is_asked_before_all_are_ready_and_then_all_are() -> None:
    waiting = asyncio.Event()

    async with Town() as town, racing(town) as (system, bursts, _):

        async def together(call: Call) -> Reply:
            if call.path.startswith("/book/") and len(booked()) == 8:
                waiting.set()
            if call.path.startswith("/book/"):
                await asyncio.wait_for(waiting.wait(), 2)
            return await town.books(call)

        def booked() -> list[Call]:
            return [call for call in town.calls if call.path.startswith("/book/")]

        town.reply = together
        slot = await system.open_slot()
        answers = await bursts.burst([one.books(slot) for one in await system.customers(8)])
    assert sorted(answer.outcome.value for answer in answers) == ["ok"] + ["refused"] * 7
    assert len({call.connection for call in booked()}) == 8


async def test_answers_come_in_the_order_of_the_actions() -> None:
    async with Town() as town, racing(town) as (system, bursts, _):
        people = await system.customers(4)
        slots = [await system.open_slot() for _ in people]
        answers = await bursts.burst([one.books(slot) for one, slot in zip(people, slots, strict=True)])
        recorded = {op.args["slot"]: op.result for op in system.history}
    assert [answer.facts["booking"] for answer in answers] == [recorded[slot.id] for slot in slots]


async def test_replicas_take_turns() -> None:
    async with Town() as one, Town() as two, racing(one, two) as (system, bursts, _):
        people = await system.customers(6)
        await bursts.burst([p.books(await system.open_slot()) for p in people])
    booked = [sum(call.path.startswith("/book/") for call in town.calls) for town in (one, two)]
    assert booked == [3, 3]


async def test_connections_are_warmed_and_used_again() -> None:
    async with Town() as town, racing(town) as (system, bursts, _):
        people = await system.customers(3)
        for _ in range(3):
            await bursts.burst([p.books(await system.open_slot()) for p in people])
        assert town.connections == 3
    assert [call.path for call in town.calls[:3]] == ["/up"] * 3
    assert sum(call.path == "/up" for call in town.calls) == 3


async def test_a_server_that_closes_after_each_answer_is_met_afresh() -> None:
    async def once(_: Call) -> Reply:
        return b"HTTP/1.1 409 X\r\nConnection: close\r\nContent-Length: 15\r\n\r\n" + b'{"type":"full"}'

    async with Town() as town, racing(town) as (system, bursts, _):
        town.reply = once
        people = await system.customers(2)
        for _ in range(2):
            answers = await bursts.burst([p.books(await system.open_slot()) for p in people])
    assert [answer.status for answer in answers] == [409, 409]


async def test_chunked_answers_are_read_to_their_end() -> None:
    chunked = (
        b"HTTP/1.1 201 X\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n"
        + b'{"id"'
        + b'\r\n5\r\n:"b7"\r\n1\r\n}\r\n0\r\n\r\n'
    )

    async def reply(call: Call) -> Reply:
        return chunked if call.path != "/up" else (200, {})

    async with Town() as town, racing(town) as (system, bursts, _):
        town.reply = reply
        (ana,) = await system.customers(1)
        (answer,) = await bursts.burst([ana.books(await system.open_slot())])
    assert answer.facts["booking"] == "b7"


async def test_silence_and_hanging_up_are_unknown() -> None:
    async def moody(call: Call) -> Reply:
        if call.path == "/up":
            return 200, {}
        if call.path == "/book/s1":
            await asyncio.sleep(30)
        return None

    async with Town() as town, at(town) as system:
        judge = Judge(["SYS-03.c"], "race")
        bursts = Bursts(system, judge, patience=ClientTimeouts(answer_s=0.2), warm_path="/up")
        town.reply = moody
        ana, ben = await system.customers(2)
        late, gone = await bursts.burst(
            [ana.books(await system.open_slot()), ben.books(await system.open_slot())]
        )
        await bursts.close()
    assert late.unknown
    assert "no answer within 0.2 s" in late.problem
    assert gone.unknown
    assert gone.problem.startswith("receive: ")
    assert all(op.unknown for op in system.history)


async def test_a_5xx_in_a_burst_is_unknown() -> None:
    async def broken(call: Call) -> Reply:
        return (200, {}) if call.path == "/up" else (500, {})

    async with Town() as town, racing(town) as (system, bursts, _):
        town.reply = broken
        (ana,) = await system.customers(1)
        (answer,) = await bursts.burst([ana.books(await system.open_slot())])
    assert (answer.unknown, answer.status) == (True, 500)


async def test_a_service_that_answers_too_early_is_timed_from_its_first_byte(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It may act on an incomplete request, so the operation began before the last byte was sent."""
    seen: list[float] = []

    async def eager(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        seen.append(asyncio.get_running_loop().time())
        writer.write(b'HTTP/1.1 201 X\r\nContent-Length: 11\r\n\r\n{"id":"b1"}')
        await writer.drain()
        await reader.read()
        writer.close()

    server = await asyncio.start_server(eager, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()[:2]

    async def cold(_n: int) -> Connection:
        connection = Connection(host, port, "early")
        await connection.open()
        return connection

    async with server, Town() as town, racing(town) as (system, bursts, _):
        monkeypatch.setattr(bursts._volleys, "_warmed", cold)  # a warm-up request would already be answered
        (ana,) = await system.customers(1)
        (answer,) = await bursts.burst([ana.books(await system.open_slot())])
        (operation,) = system.history
    assert answer.ok
    assert operation.invoked_at <= seen[-1]


async def test_a_burst_counts_itself_and_tells_how_simultaneous_it_was() -> None:
    async with Town() as town, racing(town) as (system, bursts, judge):
        people = await system.customers(5)
        await bursts.burst([p.books(await system.open_slot()) for p in people])
    (result,) = judge.conclude(None)
    assert result.counts == {"bursts": 1, "requests": 5}
    told = result.notes["simultaneity_us"]
    assert told["largest_burst"] == 5
    assert 0 <= told["median"] <= told["worst"]


async def test_a_service_that_is_down_makes_no_verdict() -> None:
    async with Town() as town:
        pass
    async with racing(town) as (system, bursts, judge):
        (ana,) = await system.customers(1)
        with pytest.raises(HarnessError, match="could not be made ready"):
            await bursts.burst([ana.books(await system.open_slot())])
    assert len(system.history) == 0
    assert judge.conclude(HarnessError("x"))[0].verdict is Verdict.INCONCLUSIVE


async def test_an_empty_burst_is_a_mistake() -> None:
    async with Town() as town, racing(town) as (_, bursts, __):
        with pytest.raises(ValueError, match="at least one action"):
            await bursts.burst([])


# -- rounds -------------------------------------------------------------------------------------


async def test_each_round_is_made_played_and_checked_with_its_own_history() -> None:
    checked: list[RaceResult] = []

    async with Town() as town, racing(town) as (system, bursts, judge):
        people = await system.customers(3)

        async def race() -> Races:
            while True:
                slot = await system.open_slot()
                await system.make_booking(people[0], await system.open_slot())
                ran = yield [p.books(slot) for p in people]
                with judge("SYS-03.c"):
                    checked.append(ran)

        results = await bursts.play(race, rounds=4, detects=0.5)
    assert [ran.number for ran in checked] == [ran.number for ran in results] == [0, 1, 2, 3]
    assert all(len(ran.history) == 4 for ran in checked)
    assert all(len(ran.of("book")) == 3 and not ran.of("cancel") for ran in checked)
    (result,) = judge.conclude(None)
    assert result.counts["rounds"] == 4
    assert result.notes["odds"] == {"per_round": 0.5, "rounds": 4, "missed": 0.0625}


async def test_rounds_end_when_every_clause_is_open() -> None:
    async def sells_twice(call: Call) -> Reply:
        return (200, {}) if call.path == "/up" else (201, {"id": str(len(town.calls))})

    async with Town() as town, racing(town) as (system, bursts, judge):
        town.reply = sells_twice
        people = await system.customers(2)

        async def race() -> Races:
            while True:
                slot = await system.open_slot()
                ran = yield [p.books(slot) for p in people]
                with judge("SYS-03.c"):
                    sold_at_most(1, ran.answers)

        results = await bursts.play(race, rounds=9)
    assert len(results) == 1
    assert judge.conclude(None)[0].verdict is Verdict.OPEN


async def test_a_finding_outside_a_judges_block_ends_the_rounds() -> None:
    async with Town() as town, racing(town) as (system, bursts, _):
        (ana,) = await system.customers(1)

        async def race() -> Races:
            while True:
                yield [ana.books(await system.open_slot())]
                raise GapFound("no")

        with pytest.raises(GapFound):
            await bursts.play(race, rounds=3)
        with pytest.raises(ValueError, match="at least one round"):
            await bursts.play(race, rounds=0)


# -- safety -------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost"])
def test_this_machine_may_be_burdened(host: str) -> None:
    loopback_only(host)


@pytest.mark.parametrize("host", ["10.0.0.1", "booking.example", "0.0.0.0", "2001:db8::1"])
def test_other_machines_may_not(host: str) -> None:
    with pytest.raises(HostNotAllowed, match="neither loopback nor allowed"):
        loopback_only(host)


async def test_a_host_is_checked_before_anything_is_sent() -> None:
    asked: list[str] = []

    def guard(host: str) -> None:
        asked.append(host)
        raise HostNotAllowed(host)

    async with Town() as town, at(town) as system:
        with pytest.raises(HostNotAllowed):
            Bursts(system, Judge(["SYS-03.c"], "race"), guard=guard)
    assert asked == ["127.0.0.1"]
    assert not town.calls


async def test_a_service_below_a_path_is_raced_there() -> None:
    async with Town() as town:
        town.url += "/eu/"
        async with racing(town) as (system, bursts, _):
            (ana,) = await system.customers(1)
            await bursts.burst([ana.books(await system.open_slot())])
    assert [call.path for call in town.calls] == ["/eu/up", "/eu/book/s1"]


async def test_a_service_behind_tls_is_not_raced() -> None:
    async with Town() as town:
        town.url = "https://127.0.0.1:1"
        async with at(town) as system:
            with pytest.raises(NotSupported, match="speak plain HTTP"):
                Bursts(system, Judge(["SYS-03.c"], "race"))


async def test_a_connection_that_is_dropped_while_it_waits_is_replaced(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    dropped = iter([True])
    silent = Connection.is_silent
    monkeypatch.setattr(Connection, "is_silent", lambda self: not next(dropped, False) and silent(self))
    async with Town() as town, racing(town) as (system, bursts, _):
        ana, ben = await system.customers(2)
        slot = await system.open_slot(capacity=2)
        answers = await bursts.burst([ana.books(slot), ben.books(await system.open_slot())])
        assert town.connections == 3
    assert [answer.ok for answer in answers] == [True, True]
    assert sum(call.path.startswith("/book/") for call in town.calls) == 2


async def test_a_connection_that_breaks_at_the_barrier_leaves_its_outcome_unknown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def breaks(_self: Connection) -> float:
        raise TransportError("broken pipe", stage="send")

    async with Town() as town, racing(town) as (system, bursts, judge):
        (ana,) = await system.customers(1)
        await bursts.burst([ana.books(await system.open_slot())])
        monkeypatch.setattr(Connection, "release", breaks)
        (answer,) = await bursts.burst([ana.books(await system.open_slot())])
        last = list(system.history)[-1]
    assert (answer.unknown, answer.problem) == (True, "send: broken pipe")
    assert last.unknown
    assert judge.conclude(None)[0].counts["bursts"] == 2


async def test_idle_connections_are_not_used_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("overbooked.bursts.last_byte_sync.KEEP_IDLE_S", -1)
    async with Town() as town, racing(town) as (system, bursts, _):
        (ana,) = await system.customers(1)
        for _n in range(2):
            await bursts.burst([ana.books(await system.open_slot())])
        assert town.connections == 2


async def test_the_order_of_release_and_the_replicas_follow_from_the_seed() -> None:
    async def order() -> list[str]:
        async with Town() as one, Town() as two, racing(one, two) as (system, bursts, _):
            people = await system.customers(6)
            await bursts.burst([p.books(await system.open_slot()) for p in people])
            # Requests to one server may arrive in another order; the replica is chosen at random.
            return sorted(call.path for call in one.calls if call.path != "/up")

    first = await order()
    assert first == await order()
    assert first != ["/book/s1", "/book/s3", "/book/s5"]


async def test_an_answer_the_adapter_cannot_read_ends_the_burst_once_all_have_answered() -> None:
    async def babble(call: Call) -> Reply:
        if call.path == "/book/s1":
            return b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nwat"
        return await town.books(call)

    async with Town() as town, racing(town) as (system, bursts, _):
        town.reply = babble
        ana, ben = await system.customers(2)
        with pytest.raises(TargetError, match="cannot read the answer"):
            await bursts.burst([ana.books(await system.open_slot()), ben.books(await system.open_slot())])
        assert [op.actor for op in system.history] == [ben.nick]
