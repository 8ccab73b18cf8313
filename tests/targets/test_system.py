from __future__ import annotations

import asyncio

import pytest

from overbooked.capabilities.booking import BOOKING
from overbooked.capabilities.clock import CLOCK
from overbooked.capabilities.sessions import SESSIONS
from overbooked.errors import NotSupported
from overbooked.targets.adapter import HttpRequest, Outcome
from overbooked.targets.client import Client, ClientTimeouts
from overbooked.targets.errors import TargetError, TransportError
from tests.targets.town import Call, Reply, Town, at


async def test_what_is_done_is_answered_and_recorded() -> None:
    async with Town() as town, at(town) as system:
        slot = await system.open_slot()
        ana, ben = await system.customers(2)
        won = await system.do(ana.books(slot))
        lost = await system.do(ben.books(slot))
    assert (won.outcome, won.status, won.facts["booking"]) == (Outcome.OK, 201, "b1")
    assert (lost.outcome, lost.status, lost.problem) == (Outcome.REFUSED, 409, "full")
    assert won.latency_s > 0
    first, second = system.history
    assert (first.actor, first.verb, first.args, first.result) == (ana.nick, "book", {"slot": "s1"}, "b1")
    assert (second.refused, second.problem) == (True, "409 full")
    assert first.completed_at is not None
    assert first.completed_at <= second.invoked_at


async def test_a_lost_answer_is_unknown() -> None:
    async def hang_up(_: Call) -> Reply:
        return None

    async with Town() as town, at(town) as system:
        town.reply = hang_up
        (ana,) = await system.customers(1)
        answer = await system.do(ana.books(await system.open_slot()))
    assert answer.unknown
    assert answer.status is None
    assert answer.problem.startswith("receive: ")
    assert next(iter(system.history)).unknown


async def test_an_answer_that_does_not_come_in_time_is_unknown() -> None:
    async def sleep(_: Call) -> Reply:
        await asyncio.sleep(30)
        return None

    async with Town() as town, at(town, patience=ClientTimeouts(answer_s=0.05)) as system:
        town.reply = sleep
        (ana,) = await system.customers(1)
        answer = await system.do(ana.books(await system.open_slot()))
    assert answer.unknown
    assert "ReadTimeout" in answer.problem


async def test_a_5xx_is_unknown_and_keeps_its_status() -> None:
    async def break_down(_: Call) -> Reply:
        return 503, {"type": "unavailable"}

    async with Town() as town, at(town) as system:
        town.reply = break_down
        (ana,) = await system.customers(1)
        answer = await system.do(ana.books(await system.open_slot()))
    assert (answer.outcome, answer.status) == (Outcome.UNKNOWN, 503)
    assert "unavailable" in answer.problem


async def test_nobody_there_fails_at_connecting() -> None:
    async with Town() as town:
        client = Client([town.url], ClientTimeouts())
    with pytest.raises(TransportError) as failed:
        await client(HttpRequest("GET", "/"))
    assert failed.value.stage == "connect"
    await client.close()


async def test_an_answer_the_adapter_cannot_read_is_its_own_fault() -> None:
    async def babble(_: Call) -> Reply:
        return b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nwat"

    async with Town() as town, at(town) as system:
        town.reply = babble
        (ana,) = await system.customers(1)
        with pytest.raises(TargetError, match=r"cannot read the answer to book .* b'wat'"):
            await system.do(ana.books(await system.open_slot()))


async def test_replicas_are_told_apart() -> None:
    async with Town() as one, Town() as two, at(one, two) as system:
        (ana,) = await system.customers(1)
        await system.do(ana.books(await system.open_slot()), replica=1)
        await system.do(ana.books(await system.open_slot()))
    assert [len(town.calls) for town in (one, two)] == [1, 1]


async def test_what_must_succeed_and_does_not_makes_no_verdict() -> None:
    async with Town() as town, at(town) as system:
        slot = await system.open_slot()
        ana, ben = await system.customers(2)
        assert await system.make_booking(ana, slot) == "b1"
        with pytest.raises(TargetError, match=r"had to succeed .* refused: 409 full"):
            await system.make_booking(ben, slot)


async def test_a_walk_hands_each_step_what_the_ones_before_brought() -> None:
    async with Town() as town, at(town) as system:
        (ana,) = await system.customers(1)
        walk = await system.walk(ana.checks_out(await system.open_slot(), key="k1", method="bank"))
    assert walk.ok
    assert list(walk) == ["begin", "pay"]
    assert walk.facts["booking"] == "b1"
    assert town.calls[-1].json == {"booking": "b1", "key": "k1", "method": "bank"}
    assert walk.last is walk["pay"]


async def test_a_walk_ends_with_the_first_refusal() -> None:
    async with Town() as town, at(town) as system:
        ana, ben = await system.customers(2)
        slot = await system.open_slot()
        await system.make_booking(ben, slot)
        walk = await system.walk(ana.checks_out(slot))
    assert list(walk) == ["begin"]
    assert walk.last.refused
    assert not walk.ok


async def test_a_walk_can_be_cut_and_taken_up_again() -> None:
    async with Town() as town, at(town) as system:
        (ana,) = await system.customers(1)
        steps = ana.checks_out(await system.open_slot())
        begun = await system.walk(steps, until="pay")
        assert list(begun) == ["begin"]
        paid = await system.walk(steps, facts=begun.facts, since="pay")
        assert list(paid) == ["pay"]
        with pytest.raises(ValueError, match="no step 'undress'; it has begin, pay"):
            await system.walk(steps, until="undress")
        assert (await system.walk(steps, until="begin")).ok
        with pytest.raises(LookupError):
            _ = (await system.walk(steps, until="begin")).last


async def test_the_history_since_a_moment_leaves_out_what_was_before() -> None:
    async with Town() as town, at(town) as system:
        ana, ben = await system.customers(2)
        await system.make_booking(ana, await system.open_slot())
        moment = system.recorder.now()
        await system.make_booking(ben, await system.open_slot())
    assert [op.actor for op in system.history_since(moment)] == [ben.nick]


async def test_verbs_beyond_the_adapters_claims_are_not_supported() -> None:
    async with Town() as town, at(town) as system:
        slot = await system.open_slot()
        (ana,) = await system.customers(1)
        for wanted in (
            lambda: ana.reschedules("b1", slot),
            lambda: system.resizing.resize(slot, 2),
            lambda: system.pricing.repricings,
            lambda: system.webhooks.deliver(None),  # type: ignore[arg-type]
            lambda: system.jobs,
            lambda: system.clock,
            lambda: system.reconciliation,
            lambda: system[SESSIONS],
        ):
            with pytest.raises(NotSupported):
                wanted()
        with pytest.raises(NotSupported):
            await system.state()
        with pytest.raises(NotSupported, match="needs 'clock', 'sessions', which TownHall does not offer"):
            system.needs(SESSIONS, CLOCK, BOOKING)


async def test_an_adapter_that_makes_too_few_customers_is_noticed() -> None:
    async with Town() as town, at(town) as system:

        async def none(_names: object) -> list[object]:
            return []

        system.adapter.customers = none  # type: ignore[method-assign,assignment]
        with pytest.raises(TargetError, match="asked the adapter for 1 customers, got 0"):
            await system.customers(3)


async def test_closing_lets_go_of_the_adapter_too() -> None:
    async with Town() as town, at(town) as system:
        pass
    assert system.adapter.closed  # type: ignore[attr-defined]
