"""Toxics of a scenario, and faults at a message of a link."""

from __future__ import annotations

import asyncio

import pytest

from overbooked.errors import DeadlineExceeded, FaultError
from overbooked.faults.faults import Faults
from overbooked.toxiproxy.toxics import LimitData, Stream
from overbooked.verdicts.judge import Judge
from overbooked.verdicts.verdict import Verdict
from tests.faults.fakestack import LINK, FakeStack, Talker
from tests.faults.receipts import receipt_of, toxics_on, verdict_of

# -- toxics ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", list(Stream))
async def test_latency_delays_and_its_receipt_bit(
    talker: Talker, faults: Faults, judge: Judge, stream: Stream
) -> None:
    async with faults.latency(LINK, ms=80, stream=stream) as fault:
        assert await talker.ask() >= 0.08
    receipt = receipt_of(fault)
    assert (receipt.fault, receipt.subject, receipt.bit) == (f"latency 80 ms {stream.value}", LINK, True)
    assert (receipt.messages, receipt.bytes) == (2, 12)
    assert receipt.ended_s - receipt.started_s >= 0.08
    assert verdict_of(judge) is Verdict.CLOSED
    assert await talker.ask() < 0.08 or await talker.ask() < 0.08


async def test_an_answer_still_held_when_the_latency_goes_counts(talker: Talker, faults: Faults) -> None:
    async with faults.latency(LINK, ms=60_000) as fault:
        await talker.say()
        assert await talker.hears_nothing()
    assert receipt_of(fault).bit
    assert receipt_of(fault).effect["replies"] == 1


async def test_bandwidth_takes_its_time(talker: Talker, faults: Faults) -> None:
    async with faults.bandwidth(LINK, kb_per_s=100) as fault:
        assert await talker.ask(b"x" * 20_000 + b"\n") >= 0.19
    assert receipt_of(fault).bit


async def test_slices_arrive_whole(talker: Talker, faults: Faults) -> None:
    async with faults.slicer(LINK, size_bytes=4, variation_bytes=2, delay_us=2000) as fault:
        assert await talker.ask(b"x" * 99 + b"\n") >= 0.02
    assert receipt_of(fault).bit


async def test_a_stall_swallows_the_answer_and_closes_on_exit(talker: Talker, faults: Faults) -> None:
    async with faults.timeout(LINK) as fault:
        await talker.say()
        assert await talker.hears_nothing()
    assert await talker.ending() == "eof"
    receipt = receipt_of(fault)
    assert (receipt.bit, receipt.effect["replies"]) == (True, 0)


async def test_reset_peer_resets_the_connections_there_are(talker: Talker, faults: Faults) -> None:
    async with faults.reset_peer(LINK) as fault:
        assert await talker.ending() == "reset"
    assert receipt_of(fault).effect["cut"] == 1
    assert receipt_of(fault).bit


async def test_reset_peer_resets_new_connections_at_their_first_byte(
    stack: FakeStack, faults: Faults
) -> None:
    async with faults.reset_peer(LINK) as fault, Talker(stack.links[LINK]) as new:
        await new.say()
        assert await new.ending() == "reset"
    assert receipt_of(fault).bit


async def test_a_limit_that_is_reached_bites(talker: Talker, faults: Faults) -> None:
    async with faults.limit_data(LINK, limit_bytes=3) as fault:
        await talker.say()
        assert await talker.ending() == "eof"
    assert receipt_of(fault).bit


async def test_a_limit_that_is_not_reached_does_not_bite(talker: Talker, faults: Faults) -> None:
    async with faults.limit_data(LINK, limit_bytes=1000) as fault:
        await talker.ask()
    assert not receipt_of(fault).bit


async def test_a_slow_close_bites_where_something_closes(
    stack: FakeStack, talker: Talker, faults: Faults
) -> None:
    loop = asyncio.get_running_loop()
    async with faults.slow_close(LINK, delay_ms=100) as fault:
        started = loop.time()
        await talker.say(b"bye\n")
        assert await talker.ending() == "eof"
        assert loop.time() - started >= 0.1
    assert receipt_of(fault).bit


async def test_a_slow_close_that_is_still_closing_counts(talker: Talker, faults: Faults) -> None:
    async with faults.slow_close(LINK, delay_ms=60_000) as fault:
        await talker.say(b"bye\n")
        await talker.reader.readline()
        assert await talker.hears_nothing()
    assert await talker.ending() == "eof"
    assert receipt_of(fault).bit


async def test_a_slow_close_without_an_end_does_not_bite(talker: Talker, faults: Faults) -> None:
    async with faults.slow_close(LINK, delay_ms=50) as fault:
        await talker.ask()
    assert not receipt_of(fault).bit


async def test_down_ends_connections_and_refuses_new_ones(
    stack: FakeStack, talker: Talker, faults: Faults
) -> None:
    async with faults.down(LINK) as fault:
        assert await talker.ending() == "eof"
        with pytest.raises(ConnectionError):
            async with Talker(stack.links[LINK]) as new:
                await new.ask()
    assert receipt_of(fault).bit
    assert receipt_of(fault).effect["resets"] >= 1


async def test_a_share_of_the_connections_bites_only_when_many_were_made(
    stack: FakeStack, talker: Talker, faults: Faults
) -> None:
    async with faults.toxic(LINK, LimitData(0), toxicity=0.5) as few, Talker(stack.links[LINK]) as new:
        await new.say()
        await new.reader.read(1)
    assert not receipt_of(few).bit
    assert receipt_of(few).effect["toxicity"] == 0.5
    async with faults.toxic(LINK, LimitData(0), toxicity=0.5) as many:
        for _ in range(12):
            async with Talker(stack.links[LINK]) as new:
                await new.say()
                await new.reader.read(1)
    assert receipt_of(many).bit


async def test_two_faults_on_one_link_do_not_disturb_each_other(
    stack: FakeStack, talker: Talker, faults: Faults
) -> None:
    async with faults.latency(LINK, ms=40), faults.latency(LINK, ms=40):
        assert await toxics_on(stack) == 2
        assert await talker.ask() >= 0.08
    assert await toxics_on(stack) == 0


# -- at a message ----------------------------------------------------------------------------------


async def test_kill_at_a_message_strikes_at_that_one(
    stack: FakeStack, talker: Talker, faults: Faults, judge: Judge
) -> None:
    pid = stack.processes["app"].pid
    async with faults.at_message(LINK, 3, kill="app") as fault:
        await talker.ask()
        await talker.ask()
        assert not fault.fired
        with pytest.raises(ConnectionError):
            await talker.ask()
        await fault.struck(within_s=5)
        assert fault.fired
        assert not stack.processes["app"].alive()
    receipt = receipt_of(fault)
    assert (receipt.fault, receipt.bit, receipt.effect["pid"]) == ("kill app at message 3", True, pid)
    assert stack.processes["app"].alive()
    assert verdict_of(judge) is Verdict.CLOSED


async def test_cut_at_a_message_keeps_it_from_the_server(talker: Talker, faults: Faults) -> None:
    async with faults.at_message(LINK, 2, cut=True) as fault:
        await talker.ask()
        await talker.say()
        assert await talker.ending() == "reset"
    assert receipt_of(fault).bit
    assert receipt_of(fault).effect["cut"] == 1


@pytest.mark.parametrize("stream", list(Stream))
async def test_stall_at_a_message_swallows_from_that_one_on(
    talker: Talker, faults: Faults, stream: Stream
) -> None:
    async with faults.at_message(LINK, 2, stall=stream) as fault:
        await talker.ask()
        await talker.say()
        await fault.struck(within_s=5)
        assert await talker.hears_nothing()
    assert await talker.ending() == "eof"
    assert receipt_of(fault).bit


async def test_pause_at_a_message_goes_on_afterwards(talker: Talker, faults: Faults) -> None:
    async with faults.at_message(LINK, 1, pause="app") as fault:
        await talker.say()
        await fault.struck(within_s=5)
        assert await talker.hears_nothing()
    assert await talker.reader.readline() == b"hello\n"
    assert receipt_of(fault).bit


async def test_waiting_for_a_message_that_does_not_come_says_how_many_came(
    talker: Talker, faults: Faults, judge: Judge
) -> None:
    async with faults.at_message(LINK, 5, cut=True) as fault:
        await talker.ask()
        with pytest.raises(DeadlineExceeded, match=r"after 0\.1 s only 1 of 5 messages had come") as caught:
            await fault.struck(within_s=0.1)
    assert not receipt_of(fault).bit
    assert judge.conclude(caught.value)[0].verdict is Verdict.INCONCLUSIVE


async def test_a_wire_that_was_not_tripped_is_taken_down(talker: Talker, faults: Faults) -> None:
    async with faults.at_message(LINK, 1, cut=True):
        pass
    await talker.ask()


async def test_a_strike_that_fails_is_heard_of(
    stack: FakeStack, talker: Talker, faults: Faults, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise OSError("no permission")

    monkeypatch.setattr(stack.processes["app"], "kill", fail)
    why = r"kill app at message 1 on client->app failed: no permission"
    fault = faults.at_message(LINK, 1, kill="app")
    await fault.__aenter__()
    await talker.ask()
    with pytest.raises(FaultError, match=why):
        await fault.struck(within_s=5)
    with pytest.raises(FaultError, match=why):
        await fault.__aexit__(None, None, None)
    assert not receipt_of(fault).bit


@pytest.mark.parametrize("chosen", [{}, {"cut": True, "kill": "app"}, {"cut": True, "stall": "upstream"}])
async def test_at_message_takes_exactly_one_strike(faults: Faults, chosen: dict[str, object]) -> None:
    with pytest.raises(FaultError, match="exactly one of kill, pause, cut and stall"):
        faults.at_message(LINK, 1, **chosen)  # type: ignore[arg-type]


async def test_messages_count_from_1(faults: Faults) -> None:
    with pytest.raises(FaultError, match=r"messages count from 1 \(the next one\), got 0"):
        faults.at_message(LINK, 0, cut=True)
