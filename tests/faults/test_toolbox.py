"""The faults of a scenario: in force in the block, healed after it, with a receipt that is true."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

import pytest

from harness.errors import DeadlineExceeded, FaultError, GapFound, HostNotAllowed
from harness.faults.client import ToxiproxyClient
from harness.faults.inforce import Fault
from harness.faults.onlinks import OnLink
from harness.faults.toolbox import Faults
from harness.faults.toxics import LimitData, Stream
from harness.verdicts.evidence import Receipt
from harness.verdicts.judge import Judge
from harness.verdicts.verdict import Verdict
from tests.faults.fakestack import IDLE, LINK, FakeStack, Talker

ON_LINKS: dict[str, Callable[[Faults, str], Fault]] = {
    "latency": lambda faults, link: faults.latency(link, ms=80),
    "latency upstream": lambda faults, link: faults.latency(link, ms=80, stream=Stream.UPSTREAM),
    "bandwidth": lambda faults, link: faults.bandwidth(link, kb_per_s=100),
    "timeout": lambda faults, link: faults.timeout(link),
    "reset_peer": lambda faults, link: faults.reset_peer(link),
    "slicer": lambda faults, link: faults.slicer(link, size_bytes=2),
    "limit_data": lambda faults, link: faults.limit_data(link, limit_bytes=3),
    "slow_close": lambda faults, link: faults.slow_close(link, delay_ms=50),
    "down": lambda faults, link: faults.down(link),
    "kill at a message": lambda faults, link: faults.at_message(link, 1, kill="app"),
    "pause at a message": lambda faults, link: faults.at_message(link, 1, pause="app"),
    "cut at a message": lambda faults, link: faults.at_message(link, 1, cut=True),
    "stall at a message": lambda faults, link: faults.at_message(link, 1, stall="downstream"),
}


def _verdict(judge: Judge) -> Verdict:
    return judge.conclude(None)[0].verdict


def _receipt(fault: Fault) -> Receipt:
    assert fault.receipt is not None
    return fault.receipt


async def _toxics(stack: FakeStack, link: str = LINK) -> int:
    client = ToxiproxyClient(stack.toxiproxy_url)
    return len(await asyncio.to_thread(client.toxics, link))


# -- every fault ---------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ON_LINKS)
async def test_on_a_link_that_nothing_crosses_the_verdict_is_inconclusive(
    stack: FakeStack, faults: Faults, judge: Judge, kind: str
) -> None:
    judge.count("rounds")
    async with ON_LINKS[kind](faults, IDLE) as fault:
        pass
    assert not _receipt(fault).bit
    [result] = judge.conclude(None)
    assert result.verdict is Verdict.INCONCLUSIVE
    assert result.reason == f"did not bite: {fault.what} on {IDLE}"
    assert await _toxics(stack, IDLE) == 0


@pytest.mark.parametrize("kind", ON_LINKS)
async def test_traffic_on_another_link_does_not_count(talker: Talker, faults: Faults, kind: str) -> None:
    async with ON_LINKS[kind](faults, IDLE) as fault:
        await talker.ask()
    assert not _receipt(fault).bit


@pytest.mark.parametrize("kind", ON_LINKS)
async def test_after_the_block_the_link_is_as_before(
    stack: FakeStack, talker: Talker, faults: Faults, kind: str
) -> None:
    fault = ON_LINKS[kind](faults, LINK)
    with contextlib.suppress(ZeroDivisionError, ConnectionError):
        async with fault:
            await talker.say()
            raise ZeroDivisionError
    assert _receipt(fault) is not None
    assert await _toxics(stack) == 0
    assert stack.processes["app"].alive()
    async with Talker(stack.links[LINK]) as again:
        await again.ask()


# -- toxics ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", list(Stream))
async def test_latency_delays_and_its_receipt_bit(
    talker: Talker, faults: Faults, judge: Judge, stream: Stream
) -> None:
    async with faults.latency(LINK, ms=80, stream=stream) as fault:
        assert await talker.ask() >= 0.08
    receipt = _receipt(fault)
    assert (receipt.fault, receipt.subject, receipt.bit) == (f"latency 80 ms {stream.value}", LINK, True)
    assert (receipt.messages, receipt.bytes) == (2, 12)
    assert receipt.ended_s - receipt.started_s >= 0.08
    assert _verdict(judge) is Verdict.CLOSED
    assert await talker.ask() < 0.08 or await talker.ask() < 0.08


async def test_an_answer_still_held_when_the_latency_goes_counts(talker: Talker, faults: Faults) -> None:
    async with faults.latency(LINK, ms=60_000) as fault:
        await talker.say()
        assert await talker.hears_nothing()
    assert _receipt(fault).bit
    assert _receipt(fault).effect["replies"] == 1


async def test_bandwidth_takes_its_time(talker: Talker, faults: Faults) -> None:
    async with faults.bandwidth(LINK, kb_per_s=100) as fault:
        assert await talker.ask(b"x" * 20_000 + b"\n") >= 0.19
    assert _receipt(fault).bit


async def test_slices_arrive_whole(talker: Talker, faults: Faults) -> None:
    async with faults.slicer(LINK, size_bytes=4, variation_bytes=2, delay_us=2000) as fault:
        assert await talker.ask(b"x" * 99 + b"\n") >= 0.02
    assert _receipt(fault).bit


async def test_a_stall_swallows_the_answer_and_closes_on_exit(talker: Talker, faults: Faults) -> None:
    async with faults.timeout(LINK) as fault:
        await talker.say()
        assert await talker.hears_nothing()
    assert await talker.ending() == "eof"
    receipt = _receipt(fault)
    assert (receipt.bit, receipt.effect["replies"]) == (True, 0)


async def test_reset_peer_resets_the_connections_there_are(talker: Talker, faults: Faults) -> None:
    async with faults.reset_peer(LINK) as fault:
        assert await talker.ending() == "reset"
    assert _receipt(fault).effect["cut"] == 1
    assert _receipt(fault).bit


async def test_reset_peer_resets_new_connections_at_their_first_byte(
    stack: FakeStack, faults: Faults
) -> None:
    async with faults.reset_peer(LINK) as fault, Talker(stack.links[LINK]) as new:
        await new.say()
        assert await new.ending() == "reset"
    assert _receipt(fault).bit


async def test_a_limit_that_is_reached_bites(talker: Talker, faults: Faults) -> None:
    async with faults.limit_data(LINK, limit_bytes=3) as fault:
        await talker.say()
        assert await talker.ending() == "eof"
    assert _receipt(fault).bit


async def test_a_limit_that_is_not_reached_does_not_bite(talker: Talker, faults: Faults) -> None:
    async with faults.limit_data(LINK, limit_bytes=1000) as fault:
        await talker.ask()
    assert not _receipt(fault).bit


async def test_a_slow_close_bites_where_something_closes(
    stack: FakeStack, talker: Talker, faults: Faults
) -> None:
    loop = asyncio.get_running_loop()
    async with faults.slow_close(LINK, delay_ms=100) as fault:
        started = loop.time()
        await talker.say(b"bye\n")
        assert await talker.ending() == "eof"
        assert loop.time() - started >= 0.1
    assert _receipt(fault).bit


async def test_a_slow_close_that_is_still_closing_counts(talker: Talker, faults: Faults) -> None:
    async with faults.slow_close(LINK, delay_ms=60_000) as fault:
        await talker.say(b"bye\n")
        await talker.reader.readline()
        assert await talker.hears_nothing()
    assert await talker.ending() == "eof"
    assert _receipt(fault).bit


async def test_a_slow_close_without_an_end_does_not_bite(talker: Talker, faults: Faults) -> None:
    async with faults.slow_close(LINK, delay_ms=50) as fault:
        await talker.ask()
    assert not _receipt(fault).bit


async def test_down_ends_connections_and_refuses_new_ones(
    stack: FakeStack, talker: Talker, faults: Faults
) -> None:
    async with faults.down(LINK) as fault:
        assert await talker.ending() == "eof"
        with pytest.raises(ConnectionError):
            async with Talker(stack.links[LINK]) as new:
                await new.ask()
    assert _receipt(fault).bit
    assert _receipt(fault).effect["resets"] >= 1


async def test_a_share_of_the_connections_bites_only_when_many_were_made(
    stack: FakeStack, talker: Talker, faults: Faults
) -> None:
    async with faults.toxic(LINK, LimitData(0), toxicity=0.5) as few, Talker(stack.links[LINK]) as new:
        await new.say()
        await new.reader.read(1)
    assert not _receipt(few).bit
    assert _receipt(few).effect["toxicity"] == 0.5
    async with faults.toxic(LINK, LimitData(0), toxicity=0.5) as many:
        for _ in range(12):
            async with Talker(stack.links[LINK]) as new:
                await new.say()
                await new.reader.read(1)
    assert _receipt(many).bit


async def test_two_faults_on_one_link_do_not_disturb_each_other(
    stack: FakeStack, talker: Talker, faults: Faults
) -> None:
    async with faults.latency(LINK, ms=40), faults.latency(LINK, ms=40):
        assert await _toxics(stack) == 2
        assert await talker.ask() >= 0.08
    assert await _toxics(stack) == 0


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
    receipt = _receipt(fault)
    assert (receipt.fault, receipt.bit, receipt.effect["pid"]) == ("kill app at message 3", True, pid)
    assert stack.processes["app"].alive()
    assert _verdict(judge) is Verdict.CLOSED


async def test_cut_at_a_message_keeps_it_from_the_server(talker: Talker, faults: Faults) -> None:
    async with faults.at_message(LINK, 2, cut=True) as fault:
        await talker.ask()
        await talker.say()
        assert await talker.ending() == "reset"
    assert _receipt(fault).bit
    assert _receipt(fault).effect["cut"] == 1


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
    assert _receipt(fault).bit


async def test_pause_at_a_message_goes_on_afterwards(talker: Talker, faults: Faults) -> None:
    async with faults.at_message(LINK, 1, pause="app") as fault:
        await talker.say()
        await fault.struck(within_s=5)
        assert await talker.hears_nothing()
    assert await talker.reader.readline() == b"hello\n"
    assert _receipt(fault).bit


async def test_waiting_for_a_message_that_does_not_come_says_how_many_came(
    talker: Talker, faults: Faults, judge: Judge
) -> None:
    async with faults.at_message(LINK, 5, cut=True) as fault:
        await talker.ask()
        with pytest.raises(DeadlineExceeded, match=r"after 0\.1 s only 1 of 5 messages had come") as caught:
            await fault.struck(within_s=0.1)
    assert not _receipt(fault).bit
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
    assert not _receipt(fault).bit


@pytest.mark.parametrize("chosen", [{}, {"cut": True, "kill": "app"}, {"cut": True, "stall": "upstream"}])
async def test_at_message_takes_exactly_one_strike(faults: Faults, chosen: dict[str, object]) -> None:
    with pytest.raises(FaultError, match="exactly one of kill, pause, cut and stall"):
        faults.at_message(LINK, 1, **chosen)  # type: ignore[arg-type]


async def test_messages_count_from_1(faults: Faults) -> None:
    with pytest.raises(FaultError, match=r"messages count from 1 \(the next one\), got 0"):
        faults.at_message(LINK, 0, cut=True)


# -- processes -------------------------------------------------------------------------------------


async def test_a_killed_process_is_dead_in_the_block_and_back_after_it(
    stack: FakeStack, talker: Talker, faults: Faults, judge: Judge
) -> None:
    app = stack.processes["app"]
    pid = app.pid
    async with faults.killed("app") as fault:
        assert not app.alive()
        assert await talker.ending() == "eof"
    assert app.alive()
    async with Talker(stack.links[LINK]) as again:
        await again.ask()
    receipt = _receipt(fault)
    assert (receipt.fault, receipt.subject, receipt.bit) == ("killed", "app", True)
    assert (receipt.effect["pid"], app.pid != pid) == (pid, True)
    assert _verdict(judge) is Verdict.CLOSED


async def test_a_process_that_came_back_by_itself_does_not_count_as_killed(
    stack: FakeStack, faults: Faults
) -> None:
    async with faults.killed("app") as fault:
        await stack.processes["app"].start()
    assert not _receipt(fault).bit


async def test_a_paused_process_answers_when_the_block_ends(
    talker: Talker, faults: Faults, judge: Judge
) -> None:
    async with faults.paused("app") as fault:
        await talker.say()
        assert await talker.hears_nothing()
    assert await talker.reader.readline() == b"hello\n"
    receipt = _receipt(fault)
    assert (receipt.bit, receipt.messages, receipt.bytes) == (True, 1, 6)
    assert _verdict(judge) is Verdict.CLOSED


async def test_a_paused_process_that_was_asked_nothing_is_inconclusive(faults: Faults, judge: Judge) -> None:
    async with faults.paused("app") as fault:
        pass
    assert not _receipt(fault).bit
    assert _verdict(judge) is Verdict.INCONCLUSIVE


async def test_a_restarted_process_is_another_in_the_block(
    stack: FakeStack, talker: Talker, faults: Faults
) -> None:
    pid = stack.processes["app"].pid
    async with faults.restarted("app") as fault:
        assert stack.processes["app"].pid not in (None, pid)
        assert await talker.ending() == "eof"
        async with Talker(stack.links[LINK]) as again:
            await again.ask()
    effect = _receipt(fault).effect
    assert (effect["pid_before"], effect["pid"]) == (pid, stack.processes["app"].pid)
    assert _receipt(fault).bit


@pytest.mark.parametrize("kind", ["killed", "paused", "restarted"])
async def test_a_process_that_does_not_run_cannot_be_hurt(
    stack: FakeStack, faults: Faults, kind: str
) -> None:
    stack.processes["app"].kill()
    with pytest.raises(FaultError, match=rf"app should run before it is {kind}; it does not\nthe last line"):
        async with getattr(faults, kind)("app"):
            pass


# -- what may not be hurt --------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ON_LINKS)
async def test_a_link_the_stack_does_not_have_is_refused(faults: Faults, kind: str) -> None:
    with pytest.raises(FaultError, match="no link 'app->mars'; the stack has app->redis, client->app"):
        ON_LINKS[kind](faults, "app->mars")


@pytest.mark.parametrize("kind", ["killed", "paused", "restarted"])
async def test_a_process_the_stack_does_not_have_is_refused(faults: Faults, kind: str) -> None:
    with pytest.raises(FaultError, match="no process 'init'; the stack has app"):
        getattr(faults, kind)("init")


async def test_a_proxy_that_leads_to_a_host_that_is_not_allowed_is_left_alone(
    stack: FakeStack, faults: Faults, judge: Judge
) -> None:
    client = ToxiproxyClient(stack.toxiproxy_url)
    client.update(IDLE, upstream="192.0.2.7:5432")
    with pytest.raises(HostNotAllowed, match=r"192\.0\.2\.7"):
        async with faults.latency(IDLE, ms=5):
            pass
    assert client.toxics(IDLE) == ()
    allowing = Faults(stack, judge.receive, lambda: 0.0, allow=["192.0.2.0/24"])
    async with allowing.latency(IDLE, ms=5):
        assert len(client.toxics(IDLE)) == 1


async def test_a_link_that_starts_elsewhere_is_refused(
    stack: FakeStack, faults: Faults, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stack.links[IDLE], "address", ("192.0.2.8", 1))
    with pytest.raises(HostNotAllowed, match=r"a fault on app->redis is aimed at 192\.0\.2\.8"):
        faults.down(IDLE)


async def test_a_toxiproxy_elsewhere_is_not_asked(stack: FakeStack, judge: Judge) -> None:
    elsewhere = FakeStack("http://192.0.2.9:8474")
    elsewhere.links = stack.links
    with pytest.raises(HostNotAllowed, match=r"192\.0\.2\.9"):
        async with Faults(elsewhere, judge.receive, lambda: 0.0).latency(LINK, ms=5):
            pass


async def test_a_container_stack_may_be_hurt_in_its_own_network(
    stack: FakeStack, faults: Faults, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stack, "kind", "containers")
    client = ToxiproxyClient(stack.toxiproxy_url)
    for upstream in ("172.18.0.5:5432", "app:8000"):
        client.update(IDLE, upstream=upstream)
        async with faults.latency(IDLE, ms=5):
            assert len(client.toxics(IDLE)) == 1
    client.update(IDLE, upstream="93.184.216.34:80")
    with pytest.raises(HostNotAllowed):
        async with faults.latency(IDLE, ms=5):
            pass


# -- when healing fails ----------------------------------------------------------------------------


async def test_a_fault_that_cannot_be_healed_raises(stack: FakeStack, talker: Talker, faults: Faults) -> None:
    client = ToxiproxyClient(stack.toxiproxy_url)
    fault = await faults.latency(LINK, ms=5).__aenter__()
    await talker.ask()
    client.remove(LINK, client.toxics(LINK)[0].name)
    with pytest.raises(FaultError, match="toxic not found"):
        await fault.__aexit__(None, None, None)
    assert _receipt(fault).bit


async def test_what_the_scenario_found_outweighs_a_failed_healing(stack: FakeStack, faults: Faults) -> None:
    client = ToxiproxyClient(stack.toxiproxy_url)
    fault = await faults.latency(LINK, ms=5).__aenter__()
    client.remove(LINK, client.toxics(LINK)[0].name)
    found = GapFound("sold twice")
    await fault.__aexit__(GapFound, found, None)
    assert "latency 5 ms downstream on client->app could not be healed" in found.__notes__[0]


async def test_a_fault_tells_what_has_crossed_so_far(talker: Talker, faults: Faults) -> None:
    async with faults.latency(LINK, ms=5) as fault:
        assert isinstance(fault, OnLink)
        assert fault.traffic().messages == 0
        await talker.ask()
        assert fault.traffic().messages == 1
